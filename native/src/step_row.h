// Steps that follow one another at once: whoever asks for one while another is under way finds it taken up by the replicas
// themselves, where each of their threads and of the callers' would have to be woken first.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "replica.h"

namespace trainql {

class StepRow {
 public:
  enum class End {
    done,
    lastOfRow,  // and its caller is to wait for the replicas, then to ask `resume`
    neverBegun  // since a replica had failed
  };
  // A step that somebody waits for.
  struct Call {
    ImageBatch batch;
    double learningRate;
    double loss = 0;

   private:
    friend class StepRow;
    bool isOver = false;
    End end = End::done;
    std::condition_variable over;
  };

  // By the caller's thread.

  // Puts a step behind the others. True: no row was under way, and the caller is to start one.
  bool join(Call&);
  End wait(Call&);
  // True: a step was put behind the last one, and the caller is to start a row with it.
  bool resume();
  // In place of `resume` where a replica has failed: none of the steps that wait will begin.
  void giveUp();

  // By the replicas' threads, all of which are at the same step: `current`, or null where the row is at its end.

  Call* current() const { return current_; }
  // While the others wait. Moves on to the next step, and returns the one that is over: to be told when nobody waits.
  Call* conclude(double loss);
  void tell(Call*);
  // Since a replica has failed: the row ends with the current step.
  void fail();

 private:
  Call* takeNext();

  std::mutex mutex_;
  std::deque<Call*> waiting_;
  Call* current_ = nullptr;
  bool isUnderWay_ = false;
};

}  // namespace trainql
