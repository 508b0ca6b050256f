// Who waits for which step, and which one is next.
#include "step_row.h"

namespace trainql {

bool StepRow::join(Call& call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  waiting_.push_back(&call);
  if (isUnderWay_) return false;
  begin();
  return true;
}

StepRow::End StepRow::wait(Call& call) {
  std::unique_lock<std::mutex> lock(mutex_);
  call.over.wait(lock, [&] { return call.isOver; });
  return call.end;
}

bool StepRow::resume() {
  const std::lock_guard<std::mutex> lock(mutex_);
  begin();
  return isUnderWay_;
}

void StepRow::giveUp() {
  const std::lock_guard<std::mutex> lock(mutex_);
  isUnderWay_ = false;
  current_ = nullptr;
  while (Call* const call = takeNext()) {
    call->isOver = true;
    call->end = End::neverBegun;
    call->over.notify_one();
  }
}

StepRow::Call* StepRow::conclude(double loss) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Call* const over = current_;
  const Clock::time_point now = Clock::now();
  Step& step = over->steps[over->at];
  step.loss = loss;
  step.seconds = std::chrono::duration<double>(now - stepBegan_).count();
  stepBegan_ = now;
  if (++over->at < over->steps.size()) return nullptr;
  current_ = takeNext();
  if (current_ == nullptr) over->end = End::lastOfRow;
  return over;
}

void StepRow::tell(Call* call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  call->isOver = true;
  // Under the lock: the caller is free to end the call's life once it sees that it is over.
  call->over.notify_one();
}

void StepRow::fail() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (current_ == nullptr) return;
  current_->isOver = true;
  current_->end = End::lastOfRow;
  current_->over.notify_one();
}

void StepRow::begin() {
  current_ = takeNext();
  isUnderWay_ = current_ != nullptr;
  stepBegan_ = Clock::now();
}

StepRow::Call* StepRow::takeNext() {
  if (waiting_.empty()) return nullptr;
  Call* const next = waiting_.front();
  waiting_.pop_front();
  return next;
}

}  // namespace trainql
