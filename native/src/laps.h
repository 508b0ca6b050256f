// Times the parts of a step while it runs.
#pragma once

#include <chrono>

namespace trainql {

// Seconds of the parts of a step on one device.
struct PartSeconds {
  double gradients = 0;     // forward and backward of its shards: staging images, the plan's steps, loss, sums over shards
  double waiting = 0;       // for the other devices, before the update
  double update = 0;        // the last sums over shards and devices with the update they are part of; running statistics
  double weightCopies = 0;  // weights into the layouts that the kernels read
};

// A stop-watch that adds each part to its place as it ends; without places it does nothing.
class Laps {
 public:
  explicit Laps(PartSeconds* seconds) : seconds_(seconds) {
    if (seconds_ != nullptr) last_ = Clock::now();
  }
  void end(double PartSeconds::*part) {
    if (seconds_ == nullptr) return;
    const Clock::time_point now = Clock::now();
    seconds_->*part += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  PartSeconds* const seconds_;
  Clock::time_point last_;
};

}  // namespace trainql
