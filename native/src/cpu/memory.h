// Owned, zeroed, page-aligned float arrays.
#pragma once

#include <cstddef>

namespace trainql {

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t floats);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  float* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ * sizeof(float); }
  float& operator[](std::size_t i) const { return data_[i]; }

 private:
  float* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace trainql
