// Two counts a device, layers written and layers consumed, are all that devices tell each other.
#include "gradient_stream.h"

#include <algorithm>
#include <utility>

namespace trainql {

GradientStream::GradientStream(const GradientPlan& plan, int devices, ReplicaSignal& signal)
    : plan_(plan), devices_(devices), layers_(new Layers[devices]), signal_(signal) {}

void GradientStream::restart(Consume consume, PartSeconds* seconds) {
  for (int d = 0; d < devices_; d++) {
    layers_[d].written = 0;
    layers_[d].consumed = 0;
  }
  consume_ = std::move(consume);
  seconds_ = seconds;
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
  signal_.tell();
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
  while (of(consumed) < count) {
    consume_(device, plan_.order[of(consumed)]);
    consumed.fetch_add(1, std::memory_order_release);
  }
  signal_.tell();
  laps.end(&PartSeconds::update);
}

void GradientStream::waitFor(int device, std::atomic<int> Layers::*layers, int count) {
  signal_.waitUntil(device, [&] { return fewest(layers) >= count; });
}

}  // namespace trainql
