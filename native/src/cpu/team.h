// The threads of one device, and the meeting points of many: bounded spin, then sleep.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace trainql {

// Waits until a counter leaves a value: spins a bounded time, then sleeps, so that a busy neighbour on the core
// costs a share of it and not whole time slices.
class Gate {
 public:
  void open();                      // moves the counter on and wakes all who wait
  unsigned ticket() const;          // the counter now
  void waitPast(unsigned ticket);   // returns once the counter has left `ticket`

 private:
  std::atomic<unsigned> count_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

// Thrown out of a wait for threads of which one has failed and will not come.
struct Forsaken {};

// All of `size` threads leave together.
class Barrier {
 public:
  explicit Barrier(int size) : size_(size) {}
  // The last to arrive calls `last` before it lets the others go.
  // @throws Forsaken
  template <class F>
  void wait(F&& last) {
    const unsigned ticket = gate_.ticket();
    leaveIfBroken();
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < size_) {
      gate_.waitPast(ticket);
      leaveIfBroken();
      return;
    }
    arrived_.store(0, std::memory_order_relaxed);
    last();
    gate_.open();
  }
  // For good: whoever waits leaves, and so does whoever comes later.
  void breakUp() {
    broken_.store(true, std::memory_order_release);
    gate_.open();
  }

 private:
  void leaveIfBroken() const {
    if (broken_.load(std::memory_order_acquire)) throw Forsaken{};
  }

  const int size_;
  std::atomic<int> arrived_{0};
  std::atomic<bool> broken_{false};
  Gate gate_;
};

// Runs pieces of work on the cores of one device. The caller's thread is one of them.
class Team {
 public:
  // Pins the calling thread and one helper per further core. Cores that cannot be pinned are left to the system.
  explicit Team(const std::vector<int>& cores);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls work(begin, end) on ranges that cover 0 … count once each. The ranges never decide a result.
  template <class F>
  void split(int count, F&& work) {
    if (helpers_.empty() || count <= 1) {
      if (count > 0) work(0, count);
      return;
    }
    const std::function<void(int, int)> erased = std::ref(work);
    run(count, erased);
  }

 private:
  void run(int count, const std::function<void(int, int)>& work);
  void takeRanges();
  void help(int core);

  std::vector<std::thread> helpers_;
  Gate start_;
  Gate done_;
  std::atomic<bool> leaving_{false};
  const std::function<void(int, int)>* work_ = nullptr;
  int count_ = 0;
  int step_ = 1;
  std::atomic<int> next_{0};
  std::atomic<int> busy_{0};
};

}  // namespace trainql
