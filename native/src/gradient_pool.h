// The weight gradients that are left for the end of the backward pass. No two devices get there at the same time: another
// process has a core for a while, or memory is slower there. Whoever has computed its own takes over those that others have not
// begun, so that all end together. A gradient has the same bits whoever computes it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "replica_signal.h"

namespace trainql {

class GradientPool {
 public:
  // `device` computes one of `owner`'s gradients, counted from 0.
  using Compute = std::function<void(int device, int owner, int gradient)>;

  // `gradients` of each device.
  GradientPool(int gradients, int devices, ReplicaSignal& signal, Compute compute)
      : gradients_(gradients), devices_(devices), compute_(std::move(compute)), owners_(new Owner[devices]), signal_(signal) {}

  // While no device is at work.
  void restart() {
    for (int d = 0; d < devices_; d++) owners_[d].isOpen = owners_[d].taken = 0;
  }

  // Once all that a device's gradients are made of is there. Returns when none of them is left to begin.
  void computeOwn(int device) {
    owners_[device].isOpen.store(1, std::memory_order_release);
    signal_.tell();
    computeOf(device, device);
  }

  // Returns when none is left to begin on any device; others may not have ended theirs yet.
  void computeOthers(int device) {
    for (int open = 0; open < devices_;) {
      signal_.waitUntil(device, [&] { return openOwners() > open; });
      open = openOwners();
      for (int i = 1; i < devices_; i++) {
        const int owner = (device + i) % devices_;
        if (owners_[owner].isOpen.load(std::memory_order_acquire) != 0) computeOf(owner, device);
      }
    }
  }

 private:
  // Each on a cache line of its own.
  struct alignas(64) Owner {
    std::atomic<int> isOpen{0}, taken{0};
  };

  int openOwners() const {
    int open = 0;
    for (int d = 0; d < devices_; d++) open += owners_[d].isOpen.load(std::memory_order_acquire);
    return open;
  }

  void computeOf(int owner, int device) {
    for (;;) {
      const int gradient = owners_[owner].taken.fetch_add(1, std::memory_order_relaxed);
      if (gradient >= gradients_) return;
      compute_(device, owner, gradient);
    }
  }

  const int gradients_, devices_;
  const Compute compute_;
  const std::unique_ptr<Owner[]> owners_;
  ReplicaSignal& signal_;
};

}  // namespace trainql
