// Lets replicas use up the gradients of a layer's weights while they still compute those of the layers before it, so that
// a few layers' gradients are in memory at a time and are still in cache when the update reads them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "laps.h"
#include "plan/gradient_plan.h"
#include "replica_signal.h"

namespace trainql {

// Every device takes the layers in the plan's order. What becomes of a gradient is elementwise, each device doing its own
// slices of it over all devices' shards, so that neither pace nor number of devices can tell in the answer.
class GradientStream {
 public:
  // One device's part of a layer's gradient. The weights themselves are no longer read when it is called.
  using Consume = std::function<void(int device, int layer)>;

  GradientStream(const GradientPlan&, int devices, ReplicaSignal&);

  // While no device is at work. Time spent consuming on the first device is added to `seconds` unless null.
  void restart(Consume, PartSeconds* seconds);

  // Before a device writes the gradient of the weights that are next in order: waits until its room is free.
  void beforeNext(int device);
  // Once it is written, and nothing of this backward pass reads the weights any more.
  void finishNext(int device);
  // After the last: returns when the device has consumed its part of every gradient.
  void drain(int device);

 private:
  // How many layers a device has got through, each counted on a cache line of its own.
  struct alignas(64) Layers {
    std::atomic<int> written{0}, consumed{0};
  };
  static int of(const std::atomic<int>& count) { return count.load(std::memory_order_acquire); }
  int fewest(std::atomic<int> Layers::*) const;
  void consumeUpTo(int device, int count);
  void waitFor(int device, std::atomic<int> Layers::*, int count);

  const GradientPlan& plan_;
  const int devices_;
  const std::unique_ptr<Layers[]> layers_;
  Consume consume_;
  PartSeconds* seconds_ = nullptr;
  ReplicaSignal& signal_;
};

}  // namespace trainql
