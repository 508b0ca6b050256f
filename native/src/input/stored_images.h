// The uint8 images of a split where they lie: in memory that the caller keeps, or in a file that is mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "input/placement.h"

namespace trainql {

// A file's bytes, read by the system when they are touched. The file must not shrink meanwhile; replacing it is fine.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // @throws std::runtime_error
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  const std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

class StoredImages {
 public:
  // Of each image the first byte, height and width.
  struct Tables {
    std::vector<std::uint64_t> offsets;
    std::vector<std::uint32_t> heights, widths;
  };

  // @throws std::invalid_argument where an image would leave the memory
  StoredImages(const std::uint8_t* bytes, std::size_t size, Tables, int channels);
  StoredImages(MappedFile, Tables, int channels);

  std::size_t count() const { return tables_.offsets.size(); }
  const std::uint8_t* image(std::size_t i) const { return bytes_ + tables_.offsets[i]; }
  Size sizeOf(std::size_t i) const {
    return {static_cast<int>(tables_.heights[i]), static_cast<int>(tables_.widths[i])};
  }
  // Has the system read a mapped image from the disk ahead of its use.
  void willNeed(std::size_t i) const;

 private:
  void check(std::size_t size) const;

  std::vector<MappedFile> file_;  // one or none
  const std::uint8_t* bytes_;
  Tables tables_;
  int channels_;
};

}  // namespace trainql
