// Fills batches on threads of its own while the engine trains. Knows nothing of Node.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "input/pixels.h"
#include "input/placement.h"
#include "input/stored_images.h"

namespace trainql {

struct LoaderSpec {
  int channels = 0;
  Size output{};
  Levels levels;
  Augmentation augmentation;
  std::uint64_t seed = 0;
  int workers = 1;
  std::vector<StoredImages> splits;
};

struct FillRequest {
  int split = 0;
  bool augmented = false;
  std::uint32_t epoch = 0;
  std::vector<std::uint32_t> indices;
  float* images = nullptr;               // (indices, C, H, W); the caller keeps it until `done`
  std::function<void(bool filled)> done; // called once, on any thread; false where the loader was closed first
};

// Each image is a pure function of (seed, epoch, index): how many workers there are, which of them takes what and in which
// order batches are asked for decides nothing.
class Loader {
 public:
  explicit Loader(LoaderSpec);
  // Ends within an image or so. Requests that were not begun, or not finished, are answered with false.
  ~Loader();

  const LoaderSpec& spec() const { return spec_; }
  // Requests are served in turn. @throws std::invalid_argument for a split or an image that is not there
  void fill(FillRequest);

 private:
  struct Job {
    FillRequest request;
    std::size_t taken = 0, filled = 0;
  };

  void work();
  void place(Placer&, const FillRequest&, std::size_t row) const;

  const LoaderSpec spec_;
  const std::size_t chunk_;  // images a worker takes at a time
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> queue_;  // jobs of which something is left to take
  bool leaving_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace trainql
