// Lets calls in one at a time and in the order in which they were made, so that one may be made before the last has ended.
#pragma once

#include <condition_variable>
#include <mutex>

namespace trainql {

class CallOrder {
 public:
  // The place of a call; places are given out on one thread.
  unsigned next() { return given_++; }

  // While it lives it is the turn of the call at `place`; it comes to life once all calls before have had theirs. Every
  // place must have its turn.
  class Turn {
   public:
    Turn(CallOrder& order, unsigned place) : order_(order) {
      std::unique_lock<std::mutex> lock(order_.mutex_);
      order_.moved_.wait(lock, [&] { return order_.served_ == place; });
    }
    ~Turn() {
      {
        const std::lock_guard<std::mutex> lock(order_.mutex_);
        order_.served_++;
      }
      order_.moved_.notify_all();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    CallOrder& order_;
  };

 private:
  unsigned given_ = 0;
  unsigned served_ = 0;
  std::mutex mutex_;
  std::condition_variable moved_;
};

}  // namespace trainql
