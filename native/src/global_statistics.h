// Batch-norm statistics over the global batch (syncBatchNorm): what the shards of all devices tell each other.
#pragma once

#include <vector>

#include "cpu/memory.h"
#include "cpu/team.h"
#include "plan/op.h"
#include "plan/parameters.h"
#include "replica_progress.h"

namespace trainql {

// Every device calls each join in the same order, once its shards have put in their part of one batch norm; it meets
// the others there. Each joins for itself, which takes less time than a second meeting, in the one tree over shards:
// all get the same bits, whatever their number.
class GlobalStatistics {
 public:
  // Moments of each shard as the trainer keeps them, in statistics space.
  GlobalStatistics(const ParameterSpace&, const std::vector<float*>& shardMoments, int devices, const ReplicaProgress&);

  NormStatistics ofShard(int shard) const { return {shardMoments_[shard], shardSums_[shard].data()}; }
  // The device's copy, valid from its join on.
  NormStatistics joined(int device) const { return {moments_[device].data(), sums_[device].data()}; }

  // Shards have equal numbers n of values, so two halves a and b of a tree join as
  //   mean = (mean_a + mean_b) / 2,   variance = (variance_a + variance_b) / 2 + ((mean_b - mean_a) / 2)^2
  // (Chan, Golub & LeVeque 1979, for n_a = n_b): terms that are never negative, so nothing can cancel, in double.
  void joinMoments(const LayerParameters& batchNorm, int device);
  void joinSums(const LayerParameters& batchNorm, int device);
  // For good, since a device has failed: the others' joins end by `Forsaken`.
  void breakUp() { barrier_.breakUp(); }

  std::size_t memoryBytes() const;

 private:
  const std::vector<float*> shardMoments_;
  std::vector<Buffer> shardSums_;      // by shard
  std::vector<Buffer> moments_, sums_;  // by device
  const ReplicaProgress& progress_;
  Barrier barrier_;
};

}  // namespace trainql
