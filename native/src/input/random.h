// The trainer's random numbers (src/trainer/random.ts), bit for bit: Philox4x32-10 as a pure function of (seed, stream,
// substream, part, position).
#pragma once

#include <algorithm>
#include <cstdint>

namespace trainql {

// Streams of src/trainer/random.ts that are drawn from here.
enum class Stream : std::uint32_t { init = 1, resizedCrop = 5, crop = 6, flip = 7, cutout = 8 };

struct RandomKey {
  std::uint64_t seed;
  Stream stream;
  std::uint32_t substream;
  std::uint32_t part;
};

class Random {
 public:
  explicit Random(const RandomKey& key)
      : key0_(static_cast<std::uint32_t>(key.seed)),
        key1_(static_cast<std::uint32_t>(key.seed >> 32)),
        counter_(static_cast<std::uint64_t>(key.part) << 32),
        substream_(key.substream),
        stream_(static_cast<std::uint32_t>(key.stream)) {}

  std::uint32_t uint32() {
    if (used_ == 4) draw();
    return words_[used_++];
  }

  // 53 random bits in (0, 1).
  double uniform() {
    const double high = uint32() >> 5, low = uint32() >> 6;
    return std::min((high * 67108864.0 + low + 0.5) / 9007199254740992.0, 1.0 - 0x1p-53);
  }

  double between(double low, double high) { return low + (high - low) * uniform(); }

  // Whole number in 0 … bound - 1, each equally likely.
  std::uint32_t below(std::uint32_t bound) {
    constexpr std::uint64_t words = std::uint64_t{1} << 32;
    const std::uint64_t limit = words - words % bound;
    std::uint32_t word = uint32();
    while (word >= limit) word = uint32();
    return word % bound;
  }

 private:
  void draw() {
    std::uint32_t c0 = static_cast<std::uint32_t>(counter_), c1 = static_cast<std::uint32_t>(counter_ >> 32);
    std::uint32_t c2 = substream_, c3 = stream_, k0 = key0_, k1 = key1_;
    for (int round = 0; round < 10; round++) {
      const std::uint64_t p0 = std::uint64_t{0xd2511f53} * c0, p1 = std::uint64_t{0xcd9e8d57} * c2;
      c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
      c1 = static_cast<std::uint32_t>(p1);
      c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
      c3 = static_cast<std::uint32_t>(p0);
      k0 += 0x9e3779b9;
      k1 += 0xbb67ae85;
    }
    words_[0] = c0;
    words_[1] = c1;
    words_[2] = c2;
    words_[3] = c3;
    counter_++;
    used_ = 0;
  }

  const std::uint32_t key0_, key1_;
  std::uint64_t counter_;
  const std::uint32_t substream_, stream_;
  std::uint32_t words_[4];
  int used_ = 4;
};

}  // namespace trainql
