// Lets calls in in the order in which they were made, so that one may be made before the last has ended.
#pragma once

#include <condition_variable>
#include <mutex>

namespace trainql {

class CallOrder {
 public:
  // The place of a call; places are given out on one thread.
  unsigned next() { return given_++; }

  // The call at `place`, from when the one before lets it in. Every place must have its turn.
  class Turn {
   public:
    Turn(CallOrder& order, unsigned place) : order_(order), place_(place) {
      std::unique_lock<std::mutex> lock(order_.mutex_);
      order_.moved_.wait(lock, [&] { return order_.entered_ == place_; });
    }
    ~Turn() {
      const std::lock_guard<std::mutex> lock(order_.mutex_);
      order_.ended_++;
      if (!hasLetIn_) order_.entered_++;
      order_.moved_.notify_all();
    }
    // Until the calls before have ended. Who lets nobody in is alone from then on.
    void beAlone() {
      std::unique_lock<std::mutex> lock(order_.mutex_);
      order_.moved_.wait(lock, [&] { return order_.ended_ == place_; });
    }
    // Lets the next call in while this one goes on.
    void letIn() {
      const std::lock_guard<std::mutex> lock(order_.mutex_);
      hasLetIn_ = true;
      order_.entered_++;
      order_.moved_.notify_all();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    CallOrder& order_;
    const unsigned place_;
    bool hasLetIn_ = false;
  };

 private:
  unsigned given_ = 0;
  unsigned entered_ = 0, ended_ = 0;
  std::mutex mutex_;
  std::condition_variable moved_;
};

}  // namespace trainql
