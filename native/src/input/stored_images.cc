// Mapping of image files.
#include "input/stored_images.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace trainql {

namespace {

[[noreturn]] void fail(const std::string& path) {
  throw std::runtime_error(path + ": " + std::strerror(errno));
}

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(path);
  struct stat status;
  void* memory = MAP_FAILED;
  if (fstat(descriptor, &status) == 0) {
    size_ = static_cast<std::size_t>(status.st_size);
    memory = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
  }
  const int failure = errno;
  close(descriptor);
  errno = failure;
  if (memory == MAP_FAILED) fail(path);
  data_ = static_cast<const std::uint8_t*>(memory);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::uint8_t*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

StoredImages::StoredImages(const std::uint8_t* bytes, std::size_t size, Tables tables, int channels)
    : bytes_(bytes), tables_(std::move(tables)), channels_(channels) {
  check(size);
}

StoredImages::StoredImages(MappedFile file, Tables tables, int channels)
    : bytes_(file.data()), tables_(std::move(tables)), channels_(channels) {
  check(file.size());
  file_.push_back(std::move(file));
}

void StoredImages::check(std::size_t size) const {
  const std::size_t count = tables_.offsets.size();
  if (tables_.heights.size() != count || tables_.widths.size() != count) {
    throw std::invalid_argument("expected an offset, a height and a width for each image");
  }
  for (std::size_t i = 0; i < count; i++) {
    const std::uint64_t offset = tables_.offsets[i], height = tables_.heights[i], width = tables_.widths[i];
    // Sides are checked first, so that their product cannot overflow.
    const bool sound = height > 0 && width > 0 && height <= 65535 && width <= 65535 && offset <= size &&
                       height * width * channels_ <= size - offset;
    if (!sound) throw std::invalid_argument("image " + std::to_string(i) + " lies outside its file");
  }
}

void StoredImages::willNeed(std::size_t i) const {
  if (file_.empty()) return;
  static const std::uintptr_t page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const Size size = sizeOf(i);
  const auto begin = reinterpret_cast<std::uintptr_t>(image(i)) / page * page;
  const auto end =
      reinterpret_cast<std::uintptr_t>(image(i)) + static_cast<std::size_t>(channels_) * size.height * size.width;
  // Only advice: where it is refused the bytes are read when they are touched.
  (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_WILLNEED);
}

}  // namespace trainql
