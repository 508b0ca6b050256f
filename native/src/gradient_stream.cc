// Two counts a device, layers written and layers consumed, are all that devices tell each other.
#include "gradient_stream.h"

#include <algorithm>
#include <utility>

namespace trainql {

GradientStream::GradientStream(const GradientPlan& plan, int devices)
    : plan_(plan), devices_(devices), progress_(new Progress[devices]) {}

void GradientStream::restart(Consume consume, PartSeconds* seconds) {
  for (int d = 0; d < devices_; d++) {
    progress_[d].written = 0;
    progress_[d].consumed = 0;
  }
  consume_ = std::move(consume);
  seconds_ = seconds;
}

void GradientStream::beforeNext(int device) {
  // What all have written is best consumed now, while it is in cache and before the others wait for its room.
  consumeUpTo(device, fewest(&Progress::written));
  const int expired = of(progress_[device].written) - streamedLayers + 1;
  if (expired <= 0) return;
  waitFor(device, &Progress::written, expired);
  consumeUpTo(device, expired);
  waitFor(device, &Progress::consumed, expired);
}

void GradientStream::finishNext(int device) {
  progress_[device].written.fetch_add(1, std::memory_order_release);
  moved_.open();
}

void GradientStream::drain(int device) {
  const int all = static_cast<int>(plan_.order.size());
  waitFor(device, &Progress::written, all);
  consumeUpTo(device, all);
}

int GradientStream::fewest(std::atomic<int> Progress::*count) const {
  int least = of(progress_[0].*count);
  for (int d = 1; d < devices_; d++) least = std::min(least, of(progress_[d].*count));
  return least;
}

void GradientStream::consumeUpTo(int device, int count) {
  std::atomic<int>& consumed = progress_[device].consumed;
  if (of(consumed) >= count) return;
  Laps laps(device == 0 ? seconds_ : nullptr);
  while (of(consumed) < count) {
    consume_(device, plan_.order[of(consumed)]);
    consumed.fetch_add(1, std::memory_order_release);
  }
  moved_.open();
  laps.end(&PartSeconds::update);
}

void GradientStream::waitFor(int device, std::atomic<int> Progress::*progress, int count) {
  if (fewest(progress) >= count) return;
  Laps laps(device == 0 ? seconds_ : nullptr);
  for (;;) {
    const unsigned ticket = moved_.ticket();
    if (fewest(progress) >= count) break;
    moved_.waitPast(ticket);
  }
  laps.end(&PartSeconds::waiting);
}

}  // namespace trainql
