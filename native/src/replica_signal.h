// By which replicas that wait for each other's progress hear of it.
#pragma once

#include <atomic>

#include "cpu/team.h"
#include "laps.h"
#include "replica_progress.h"

namespace trainql {

class ReplicaSignal {
 public:
  explicit ReplicaSignal(const ReplicaProgress& progress) : progress_(progress) {}

  // While set, what the first replica waits is added there.
  void timeInto(PartSeconds* seconds) { seconds_ = seconds; }

  // Until `holds()`, which comes true before a `tell`. @throws Forsaken
  template <class F>
  void waitUntil(int replica, F&& holds) {
    if (holds()) return;
    Laps laps(replica == 0 ? seconds_ : nullptr);
    for (;;) {
      const unsigned ticket = moved_.ticket();
      progress_.rest(replica, ReplicaProgress::atStream);
      if (holds()) break;
      if (broken_.load(std::memory_order_acquire)) throw Forsaken{};
      moved_.waitPast(ticket);
    }
    progress_.work(replica);
    laps.end(&PartSeconds::waiting);
  }
  void tell() {
    progress_.wake(ReplicaProgress::atStream);
    moved_.open();
  }
  // For good, since a replica has failed: the waits of the others end by `Forsaken`.
  void breakUp() {
    broken_.store(true, std::memory_order_release);
    moved_.open();
  }

 private:
  const ReplicaProgress& progress_;
  PartSeconds* seconds_ = nullptr;
  std::atomic<bool> broken_{false};
  Gate moved_;
};

}  // namespace trainql
