// How far each replica has come, in memory that anybody may read at any time: a replica that is stuck is seen from outside.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/team.h"

namespace trainql {

// A row of whole numbers for each replica. Written by the replicas' threads with plain stores that cost nothing to speak of.
class ReplicaProgress {
 public:
  // Numbers in a row: as many as keep two replicas from writing to one cache line.
  static constexpr int rowSize = 8;
  // What a replica waits for that is not at work.
  enum Rest : std::int64_t { atWork = 0, atBarrier = 1, atStream = 2, idle = 3 };

  // `rows` holds replicas x rowSize numbers and lives as long as this; null: nobody looks.
  ReplicaProgress(std::int64_t* rows, int replicas)
      : replicas_(replicas),
        own_(rows == nullptr ? static_cast<std::size_t>(replicas) * rowSize : 0),
        rows_(rows == nullptr ? own_.data() : rows) {
    for (int r = 0; r < replicas; r++) rest(r, idle);
  }
  ReplicaProgress(const ReplicaProgress&) = delete;
  ReplicaProgress& operator=(const ReplicaProgress&) = delete;

  // Moved on by the replica's own thread with each step of the plan.
  std::int64_t* ticks(int replica) const { return &row(replica)[1]; }
  static void tick(std::int64_t* ticks) { store(ticks, load(ticks) + 1); }

  void endStep(int replica) const {
    store(&row(replica)[0], load(&row(replica)[0]) + 1);
    tick(ticks(replica));
  }
  void work(int replica) const { rest(replica, atWork); }
  // Before the replica looks for the last time whether it has to wait.
  void rest(int replica, Rest why) const { store(&row(replica)[2], why); }
  // For whoever ends a wait: those who waited are at work again from now on, whether or not they have noticed. So one
  // whose thread does not run is not taken for one that waits.
  void wake(Rest why) const {
    for (int r = 0; r < replicas_; r++) {
      std::int64_t waited = why;
      std::int64_t* const flag = &row(r)[2];
      if (load(flag) == why) {
        __atomic_compare_exchange_n(flag, &waited, std::int64_t{atWork}, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
      }
    }
  }

 private:
  // {updates done, ticks, why it rests}
  std::int64_t* row(int replica) const { return rows_ + static_cast<std::ptrdiff_t>(replica) * rowSize; }
  static std::int64_t load(const std::int64_t* at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
  static void store(std::int64_t* at, std::int64_t value) { __atomic_store_n(at, value, __ATOMIC_RELAXED); }

  const int replicas_;
  std::vector<std::int64_t> own_;
  std::int64_t* const rows_;
};

// Waits for the other replicas, where it can be seen. The last to come calls `last` before the others go on.
template <class F>
void meet(Barrier& barrier, const ReplicaProgress& progress, int replica, F&& last) {
  progress.rest(replica, ReplicaProgress::atBarrier);
  barrier.wait([&] {
    last();
    progress.wake(ReplicaProgress::atBarrier);
  });
  progress.work(replica);
}

inline void meet(Barrier& barrier, const ReplicaProgress& progress, int replica) {
  meet(barrier, progress, replica, [] {});
}

}  // namespace trainql
