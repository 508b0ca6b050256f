// Memory straight from the system: zeroed on first touch, so a page belongs to the core that first writes it.
#include "cpu/memory.h"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace trainql {

Buffer::Buffer(std::size_t floats) : size_(floats) {
  if (floats == 0) return;
  void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes(), MADV_HUGEPAGE);
#endif
  data_ = static_cast<float*>(memory);
}

Buffer::~Buffer() {
  if (data_ != nullptr) munmap(data_, bytes());
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace trainql
