// One device's copy of the plan at work: its memory, its thread, its shards.
#pragma once

#include <algorithm>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "cpu/memory.h"
#include "cpu/team.h"
#include "global_statistics.h"
#include "gradient_pool.h"
#include "gradient_stream.h"
#include "gradient_subtree.h"
#include "plan/loss.h"
#include "plan/plan.h"
#include "replica_progress.h"

namespace trainql {

// What all replicas share; replicas write only their own parts.
struct SharedModel {
  const Plan& plan;
  const float* parameters;
  const float* running;
  double labelSmoothing;
  GlobalStatistics* global;  // null: each shard has its own batch-norm statistics
  const GradientPlan& gradients;
  GradientStream* stream;    // null: gradients are kept until all are there
  GradientPool* pool;        // null: none is deferred
  const ReplicaProgress& progress;
};

// Images of the whole call, (N, C, H, W), with a label each (null when predicting).
struct ImageBatch {
  const float* images = nullptr;
  const std::int32_t* labels = nullptr;
  int count = 0;
};

// How many of a replica's shards are at work at once.
inline int shardsAbreast(int shards, bool syncBatchNorm) { return syncBatchNorm ? shards : std::min(shards, 2); }

class Replica {
 public:
  // Computes shards firstShard … firstShard + shards - 1 of `globalShards`.
  struct Range {
    int firstShard, shards, globalShards;
  };

  Replica(const SharedModel&, Range, const std::vector<int>& cores);
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // Starts work on the replica's own thread; finish() waits for it and returns what it threw, or null.
  void start(std::function<void(Replica&)> work);
  std::exception_ptr finish();

  // The following run on the replica's thread.

  // Forward and backward over its shards. Leaves the sums of its subtree in leaves(), those of weights no longer than the
  // stream allows where there is one; per shard, the loss sum in
  // lossSums and batch statistics in statistics, both indexed by global shard. Shards are at work in pairs; where batch
  // norm is over the global batch all are at once, and meet those of the other replicas.
  void computeGradients(const ImageBatch&, double* lossSums, float* const* statistics);
  // The weight gradient of a step that the plan defers, of all shards of `owner`, whose backward pass has got to its end.
  void computeDeferred(Replica& owner, int step);
  // Images begin … end (at most one shard batch) with running statistics: the score and the predicted classes, or the
  // logits (N, classes).
  LossSum evaluate(const ImageBatch&, int begin, int end, std::int32_t* predicted);
  void predict(const ImageBatch&, int begin, int end, float* logits);

  // Gradient sums in shard order, laid out by the gradient plan: one where it has at most two shards, else its subtree's
  // two halves.
  std::vector<const float*> leaves() const;
  Team& team() { return *team_; }
  std::size_t memoryBytes() const;
  // While set, each plan step adds its time: see `Workspace::seconds`.
  void timeInto(double* seconds) { seconds_ = seconds; }

 private:
  void live(const std::vector<int>& cores);
  Workspace workspace(Phase);
  void stage(const ImageBatch&, int begin, int end, float* input) const;
  void stageShard(const ImageBatch&, int shard, const Workspace&) const;
  // The loss sum; leaves its gradient where the backward walk begins.
  double computeLoss(const ImageBatch&, int shard, const Workspace&);
  // Some shards that are at work at once, the first of this replica's numbers, and where their gradients go.
  struct Group {
    int first, count, buffer;
  };
  int mostAbreast() const { return shardsAbreast(range_.shards, model_.global != nullptr); }
  void computeAbreast(const ImageBatch&, Group, double* lossSums, float* const* statistics);
  void forwardAbreast(const Op&, const std::vector<Workspace>& shards);
  void backwardAbreast(const Op&, std::vector<Workspace>& shards, int buffer);
  int device() const { return range_.firstShard / range_.shards; }
  Logits evaluateLogits(const ImageBatch&, int begin, int end);
  Logits readLogits(const Workspace&, int images);

  const SharedModel model_;
  const Range range_;
  std::vector<Buffer> arenas_;  // one for each shard that is at work at once
  std::vector<Workspace> shards_;  // those that are, or were last
  Buffer scratch_, weights_, sums_;
  Buffer logits_, logitsGradient_;  // (shard batch, row) in fp32: the loss is worked out in full precision
  double* seconds_ = nullptr;
  std::vector<Buffer> gradients_;
  std::unique_ptr<Team> team_;
  std::function<void(Replica&)> work_;
  std::exception_ptr failure_;
  Gate begin_, end_;
  unsigned finished_ = 0;
  bool leaving_ = false;
  std::thread thread_;
};

}  // namespace trainql
