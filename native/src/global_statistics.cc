// Joining batch-norm statistics over shards, neighbours first.
#include "global_statistics.h"

namespace trainql {

namespace {

struct Moments {
  double mean, variance;
};

Moments joinedMoments(float* const* shards, int count, const LayerParameters& p, int channel) {
  if (count == 1) return {shards[0][p.runningMean + channel], shards[0][p.runningVariance + channel]};
  const Moments a = joinedMoments(shards, count / 2, p, channel);
  const Moments b = joinedMoments(shards + count / 2, count / 2, p, channel);
  const double half = (b.mean - a.mean) / 2;
  return {(a.mean + b.mean) / 2, (a.variance + b.variance) / 2 + half * half};
}

double joinedSum(const Buffer* shards, int count, std::size_t at) {
  if (count == 1) return shards[0][at];
  return joinedSum(shards, count / 2, at) + joinedSum(shards + count / 2, count / 2, at);
}

}  // namespace

GlobalStatistics::GlobalStatistics(const ParameterSpace& space, const std::vector<float*>& shardMoments, int devices,
                                   const ReplicaProgress& progress)
    : shardMoments_(shardMoments), progress_(progress), barrier_(devices) {
  const std::size_t size = space.statisticsSize();
  for (std::size_t s = 0; s < shardMoments_.size(); s++) shardSums_.emplace_back(size);
  for (int d = 0; d < devices; d++) {
    moments_.emplace_back(size);
    sums_.emplace_back(size);
  }
}

void GlobalStatistics::joinMoments(const LayerParameters& batchNorm, int device) {
  meet(barrier_, progress_, device);
  const int shards = static_cast<int>(shardMoments_.size());
  float* const to = moments_[device].data();
  for (int c = 0; c < batchNorm.channels; c++) {
    const Moments joined = joinedMoments(shardMoments_.data(), shards, batchNorm, c);
    to[batchNorm.runningMean + c] = static_cast<float>(joined.mean);
    to[batchNorm.runningVariance + c] = static_cast<float>(joined.variance);
  }
}

void GlobalStatistics::joinSums(const LayerParameters& batchNorm, int device) {
  meet(barrier_, progress_, device);
  const int shards = static_cast<int>(shardSums_.size());
  float* const to = sums_[device].data();
  for (const std::size_t begin : {batchNorm.runningMean, batchNorm.runningVariance}) {
    for (std::size_t at = begin; at < begin + batchNorm.channels; at++) {
      to[at] = static_cast<float>(joinedSum(shardSums_.data(), shards, at));
    }
  }
}

std::size_t GlobalStatistics::memoryBytes() const {
  std::size_t bytes = 0;
  for (const std::vector<Buffer>* buffers : {&shardSums_, &moments_, &sums_}) {
    for (const Buffer& buffer : *buffers) bytes += buffer.bytes();
  }
  return bytes;
}

}  // namespace trainql
