// The loader's queue and its threads.
#include "input/loader.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#ifdef __linux__
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace trainql {

namespace {

// Work between two looks at the queue, in values: some tens of microseconds.
constexpr std::size_t chunkValues = 32 * 1024;

// The engine's threads have the cores first: a batch that is ready a moment later is still ready in time.
void stepBack() {
#ifdef __linux__
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 5);
#endif
}

std::size_t chunkOf(const LoaderSpec& spec) {
  const std::size_t values = static_cast<std::size_t>(spec.channels) * spec.output.height * spec.output.width;
  return std::max<std::size_t>(1, chunkValues / std::max<std::size_t>(1, values));
}

}  // namespace

Loader::Loader(LoaderSpec spec) : spec_(std::move(spec)), chunk_(chunkOf(spec_)) {
  for (int i = 0; i < spec_.workers; i++) workers_.emplace_back([this] { work(); });
}

Loader::~Loader() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  // What is still queued was not taken whole, so no worker has answered it.
  for (const auto& job : queue_) job->request.done(false);
}

void Loader::fill(FillRequest request) {
  if (request.split < 0 || request.split >= static_cast<int>(spec_.splits.size())) {
    throw std::invalid_argument("there is no split " + std::to_string(request.split));
  }
  const StoredImages& images = spec_.splits[request.split];
  for (const std::uint32_t index : request.indices) {
    if (index >= images.count()) throw std::invalid_argument("there is no image " + std::to_string(index));
    images.willNeed(index);
  }
  if (request.indices.empty()) return request.done(true);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::make_shared<Job>(Job{std::move(request)}));
  }
  changed_.notify_all();
}

void Loader::work() {
  stepBack();
  Placer placer(spec_.channels, spec_.output, spec_.levels);
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return leaving_ || !queue_.empty(); });
    if (leaving_) return;
    const std::shared_ptr<Job> job = queue_.front();
    const std::size_t count = job->request.indices.size();
    const std::size_t begin = job->taken, end = std::min(begin + chunk_, count);
    job->taken = end;
    if (end == count) queue_.pop_front();
    lock.unlock();
    for (std::size_t row = begin; row < end; row++) place(placer, job->request, row);
    lock.lock();
    job->filled += end - begin;
    if (job->filled < count) continue;
    lock.unlock();
    job->request.done(true);
    lock.lock();
  }
}

void Loader::place(Placer& placer, const FillRequest& request, std::size_t row) const {
  const StoredImages& images = spec_.splits[request.split];
  const std::uint32_t index = request.indices[row];
  const Size stored = images.sizeOf(index);
  const Placement placement = request.augmented
                                  ? drawPlacement(spec_.augmentation, {spec_.seed, request.epoch, index}, stored, spec_.output)
                                  : plainPlacement(stored, spec_.output);
  const std::size_t values = static_cast<std::size_t>(spec_.channels) * spec_.output.height * spec_.output.width;
  placer.place(images.image(index), stored, placement, request.images + row * values);
}

}  // namespace trainql
