// Threads of a device.
#include "cpu/team.h"

#include <algorithm>

#ifdef __linux__
#include <pthread.h>
#include <sched.h>
#endif

namespace trainql {

namespace {

// About 20 microseconds: longer than a well-balanced wait, far shorter than a time slice.
constexpr int spins = 2000;

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

void pinTo(const std::vector<int>& cores) {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int core : cores) {
    if (core >= 0 && core < CPU_SETSIZE) CPU_SET(core, &set);
  }
  // A core taken away since the lease is no reason to stop: the system then places the thread.
  (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
#else
  (void)cores;
#endif
}

}  // namespace

void Gate::open() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    count_.fetch_add(1, std::memory_order_release);
  }
  changed_.notify_all();
}

unsigned Gate::ticket() const { return count_.load(std::memory_order_acquire); }

void Gate::waitPast(unsigned ticket) {
  for (int i = 0; i < spins; i++) {
    if (count_.load(std::memory_order_acquire) != ticket) return;
    pause();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return count_.load(std::memory_order_acquire) != ticket; });
}

Team::Team(const std::vector<int>& cores) {
  pinTo(cores.empty() ? cores : std::vector<int>{cores[0]});
  for (std::size_t i = 1; i < cores.size(); i++) helpers_.emplace_back([this, core = cores[i]] { help(core); });
}

Team::~Team() {
  leaving_ = true;
  start_.open();
  for (std::thread& helper : helpers_) helper.join();
}

void Team::run(int count, const std::function<void(int, int)>& work) {
  work_ = &work;
  count_ = count;
  step_ = std::max(1, count / (size() * 4));
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int>(helpers_.size()), std::memory_order_relaxed);
  const unsigned finished = done_.ticket();
  start_.open();
  takeRanges();
  done_.waitPast(finished);
}

void Team::takeRanges() {
  for (;;) {
    const int begin = next_.fetch_add(step_, std::memory_order_relaxed);
    if (begin >= count_) return;
    (*work_)(begin, std::min(begin + step_, count_));
  }
}

void Team::help(int core) {
  pinTo({core});
  for (unsigned ticket = 0;;) {
    start_.waitPast(ticket);
    ticket++;
    if (leaving_) return;
    takeRanges();
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_.open();
  }
}

}  // namespace trainql
