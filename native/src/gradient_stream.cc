// Two counts a device, layers written and layers consumed, are all that devices tell each other.
#include "gradient_stream.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace trainql {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

}  // namespace

GradientStream::GradientStream(const GradientPlan& plan, int devices, const ReplicaProgress& progress)
    : plan_(plan), devices_(devices), progress_(progress), layers_(new Layers[devices]) {
  for (int d = 0; d < devices; d++) {
    slices_.push_back({static_cast<double>(d) / devices, static_cast<double>(d + 1) / devices});
  }
}

void GradientStream::restart(Consume consume, PartSeconds* seconds) {
  balance();
  for (int d = 0; d < devices_; d++) {
    layers_[d].written = 0;
    layers_[d].consumed = 0;
    layers_[d].secondsWaited = layers_[d].secondsConsuming = 0;
  }
  consume_ = std::move(consume);
  seconds_ = seconds;
}

// Moves the slices a little towards where all would have waited equally long in the last step: a core that was disturbed once
// is not taken for a slow one.
void GradientStream::balance() {
  constexpr double pace = 0.1, mostMoved = 0.02;
  double waited = 0, consuming = 0;
  for (int d = 0; d < devices_; d++) {
    waited += layers_[d].secondsWaited;
    consuming += layers_[d].secondsConsuming;
  }
  if (consuming == 0) return;
  double begin = 0, sum = 0;
  for (int d = 0; d < devices_; d++) {
    const double more = pace * (layers_[d].secondsWaited - waited / devices_) / consuming;
    Slice& slice = slices_[d];
    slice = {0, std::max(0.0, slice.end - slice.begin + std::clamp(more, -mostMoved, mostMoved))};
    sum += slice.end;
  }
  for (int d = 0; d < devices_; d++) {
    const double size = slices_[d].end / sum;
    slices_[d] = {begin, d + 1 == devices_ ? 1.0 : begin + size};
    begin = slices_[d].end;
  }
}

void GradientStream::beforeNext(int device) {
  // What all have written is best consumed now, while it is in cache and before the others wait for its room.
  consumeUpTo(device, fewest(&Layers::written));
  const int expired = of(layers_[device].written) - streamedLayers + 1;
  if (expired <= 0) return;
  waitFor(device, &Layers::written, expired);
  consumeUpTo(device, expired);
  waitFor(device, &Layers::consumed, expired);
}

void GradientStream::finishNext(int device) {
  layers_[device].written.fetch_add(1, std::memory_order_release);
  tellMoved();
}

void GradientStream::drain(int device) {
  const int all = static_cast<int>(plan_.order.size());
  waitFor(device, &Layers::written, all);
  consumeUpTo(device, all);
}

int GradientStream::fewest(std::atomic<int> Layers::*count) const {
  int least = of(layers_[0].*count);
  for (int d = 1; d < devices_; d++) least = std::min(least, of(layers_[d].*count));
  return least;
}

void GradientStream::consumeUpTo(int device, int count) {
  std::atomic<int>& consumed = layers_[device].consumed;
  if (of(consumed) >= count) return;
  Laps laps(device == 0 ? seconds_ : nullptr);
  const auto begin = Clock::now();
  while (of(consumed) < count) {
    consume_(device, plan_.order[of(consumed)], slices_[device]);
    consumed.fetch_add(1, std::memory_order_release);
  }
  tellMoved();
  layers_[device].secondsConsuming += secondsSince(begin);
  laps.end(&PartSeconds::update);
}

void GradientStream::waitFor(int device, std::atomic<int> Layers::*layers, int count) {
  if (fewest(layers) >= count) return;
  Laps laps(device == 0 ? seconds_ : nullptr);
  const auto begin = Clock::now();
  for (;;) {
    const unsigned ticket = moved_.ticket();
    progress_.rest(device, ReplicaProgress::atStream);
    if (fewest(layers) >= count) break;
    if (broken_.load(std::memory_order_acquire)) throw Forsaken{};
    moved_.waitPast(ticket);
  }
  progress_.work(device);
  layers_[device].secondsWaited += secondsSince(begin);
  laps.end(&PartSeconds::waiting);
}

void GradientStream::breakUp() {
  broken_.store(true, std::memory_order_release);
  moved_.open();
}

void GradientStream::tellMoved() {
  progress_.wake(ReplicaProgress::atStream);
  moved_.open();
}

}  // namespace trainql
