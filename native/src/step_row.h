// Steps that follow one another at once: whoever asks for some while others are under way finds them taken up by the replicas
// themselves, where each of their threads and of the callers' would have to be woken first.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "replica.h"

namespace trainql {

// One that is asked for, and what came of it.
struct Step {
  ImageBatch batch;
  double learningRate = 0;
  double loss = 0;
  double seconds = 0;  // since the one before it ended, or since it began where none was under way
};

class StepRow {
 public:
  enum class End {
    done,
    lastOfRow,  // and its caller is to wait for the replicas, then to ask `resume`
    neverBegun  // since a replica had failed
  };
  // Steps that somebody waits for, one or more.
  struct Call {
    explicit Call(std::vector<Step>& wanted) : steps(wanted) {}
    std::vector<Step>& steps;

   private:
    friend class StepRow;
    std::size_t at = 0;  // the one that is current once it is this call's turn
    bool isOver = false;
    End end = End::done;
    std::condition_variable over;
  };

  // By the caller's thread.

  // Puts steps behind the others. True: no row was under way, and the caller is to start one.
  bool join(Call&);
  End wait(Call&);
  // True: steps were put behind the last one, and the caller is to start a row with them.
  bool resume();
  // In place of `resume` where a replica has failed: none of the steps that wait will begin.
  void giveUp();

  // By the replicas' threads, all of which are at the same step: `current`, or null where the row is at its end.

  const Step* current() const { return current_ == nullptr ? nullptr : &current_->steps[current_->at]; }
  // While the others wait. Moves on to the next step, and returns the call that is over, or null where it goes on: to be told
  // when nobody waits.
  Call* conclude(double loss);
  void tell(Call*);
  // Since a replica has failed: the row ends with the current step.
  void fail();

 private:
  using Clock = std::chrono::steady_clock;
  void begin();
  Call* takeNext();

  std::mutex mutex_;
  std::deque<Call*> waiting_;
  Call* current_ = nullptr;
  Clock::time_point stepBegan_;
  bool isUnderWay_ = false;
};

}  // namespace trainql
