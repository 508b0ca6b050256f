// Trains one model on several replicas: shards, the gradient tree, the update. Knows nothing of Node.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "cpu/memory.h"
#include "laps.h"
#include "plan/plan.h"
#include "replica.h"
#include "replica_failure.h"
#include "step_row.h"

namespace trainql {

struct Optimizer {
  enum class Kind { sgd, adam, adamW } kind = Kind::sgd;
  float momentum = 0;
  bool nesterov = false;
  float beta1 = 0, beta2 = 0, epsilon = 0;
  float weightDecay = 0;
  bool decayVectors = true;  // whether decay applies to batch-norm scales and shifts and to biases
};

struct TrainerSpec {
  Graph graph;
  int globalBatch = 0;
  int shards = 1;                            // a power of two that divides globalBatch
  std::vector<std::vector<int>> deviceCores; // a power of two of devices, at most `shards`
  Optimizer optimizer;
  Precision precision = Precision::fp32;     // of activations and convolutions; weights, sums and update are fp32
  double labelSmoothing = 0;
  double clipNorm = 0;  // largest norm of the whole gradient; 0: no limit
  PlanLimits limits;
  std::int64_t* progress = nullptr;  // null, or rows that outlive the trainer: see `ReplicaProgress`
  bool syncBatchNorm = false;  // batch-norm statistics over the global batch; every shard then has memory of its own
};

// Where the time of a step goes on the first device: means over some steps.
struct Profile {
  struct PlanStep {
    int layer;
    std::string kind;
    double forwardSeconds, backwardSeconds;    // of this device's share of the global batch
    double forwardProducts, backwardProducts;  // multiply-adds in that time
  };
  double stepSeconds = 0;
  PartSeconds parts;
  std::vector<PlanStep> steps;
};

class Trainer {
 public:
  // @throws std::invalid_argument, std::bad_alloc
  explicit Trainer(const TrainerSpec&);
  ~Trainer();

  // All calls block, and must not overlap but for `train`. Images (N, C, H, W) normalised; labels 0 … classes - 1.
  // @throws ReplicaFailure where one of the replicas fails; the trainer is of no use after that, and each call throws it

  // Steps, one or more: an update each on exactly globalBatch images, and the mean loss before it. Others may be asked for
  // meanwhile, once these are `queued`: the replicas go on from one to the next by themselves.
  void train(std::vector<Step>&, const std::function<void()>& queued = [] {});
  // Loss and summed gradients, a canonical tensor each, without any change.
  double gradients(const ImageBatch&, float* const* tensors);
  // Times `repetitions` updates at a learning rate of 0: weights stay, optimiser state and running statistics move on.
  Profile profile(const ImageBatch&, int repetitions);
  // Fills predicted (N) with classes.
  LossSum evaluate(const ImageBatch&, std::int32_t* predicted);
  void predict(const ImageBatch&, float* logits);

  // All tensors of the canonical state dict, in its order.
  void readState(float* const* tensors);
  void writeState(const float* const* tensors);
  // Steps taken, and a canonical tensor for each parameter in each slot: momentum (SGD), or first and second moments (Adam).
  using Slots = std::vector<std::vector<float*>>;
  double readOptimizer(const Slots&);
  void writeOptimizer(double step, const Slots&);
  std::size_t memoryBytes() const;
  const Graph& graph() const { return plan_.graph(); }
  int globalBatch() const { return spec_.globalBatch; }

 private:
  int devices() const { return static_cast<int>(spec_.deviceCores.size()); }
  using Work = std::function<void(Replica&, int device)>;
  void onEveryReplica(const Work&);
  void startEveryReplica(const Work&);
  void finishEveryReplica();
  // Lets those go that wait for a replica which has failed.
  void breakUp();
  void keepFailure(int device, std::exception_ptr thrown);
  template <class F>
  void onChunks(int images, F&&);
  // Whether the gradients of weights are used up while the backward pass goes on: not where all must be there first, for
  // their norm or for further shards of the same device.
  bool streams() const;
  PlanLimits limits() const;
  // Where the replicas hold the gradients of one layer's weights, or of all vectors, as from parameter `origin` on.
  GradientLeaves leavesOf(int layer) const;
  GradientLeaves vectorLeaves() const;
  GradientLeaves wholeLeaves() const;  // of the live space, where gradients are kept
  void planLeaves();
  double meanLoss() const;
  // A row of steps. `beginStep` and `endStep` are called while no replica is inside one.
  void startRow();
  bool finishRow();  // false: a replica has failed
  void beginStep(const Step&);
  void restartGradients(GradientStream::Consume, PartSeconds*);
  void computeStep(Replica&, int device, const Step&);
  bool goOn(int device);
  double endStep();
  bool idleRests() const;
  template <class F>
  void onChunksOf(std::size_t from, std::size_t to, Replica&, int device, F&&);
  void addSquares(Replica&, int device, const GradientLeaves&);
  float clipScale() const;
  void update(Replica&, int device, double learningRate);
  SgdUpdate sgdUpdate(const GradientLeaves&, double learningRate, float decay);
  AdamUpdate adamUpdate(const GradientLeaves&, double learningRate, float decay);
  struct UpdateRange {
    double learningRate;
    float decay;
    std::size_t from, to;
  };
  void updateRange(Replica&, int device, const GradientLeaves&, const UpdateRange&);
  void updateWeights(Replica&, int device, int layer, double learningRate);  // of one layer
  // Idle parameters (their filter taps only meet padding) move by decay and momentum alone. Their steps are owed, and
  // paid together: a pass over them is mostly memory traffic.
  void owe(double learningRate);
  int owedSteps() const { return static_cast<int>(owedSgd_.size() + owedAdam_.size()); }
  void updateIdle(Replica&);
  void settle();
  void forgetOwed();
  void updateRunningStatistics();

  const TrainerSpec spec_;
  const ReplicaProgress progress_;
  const Plan plan_;
  Buffer parameters_, running_;
  std::vector<Buffer> slots_;
  std::vector<Buffer> shardStatistics_;
  std::vector<float*> shardStatisticsAt_;
  std::unique_ptr<GlobalStatistics> global_;  // with syncBatchNorm
  std::vector<double> shardLosses_;
  std::vector<double> chunkSquares_;
  double batchesTracked_ = 0;
  double optimizerStep_ = 0;
  std::vector<SgdUpdate> owedSgd_;
  std::vector<AdamUpdate> owedAdam_;
  std::atomic<int> idleTaken_{0};  // pieces of the idle parameters that some replica has taken to pay
  PartSeconds* timed_ = nullptr;  // while set, each step adds its times on the first device
  PartSeconds* streamTimed_ = nullptr;  // and here those of its gradients' stream, which are part of those of gradients
  bool idleAtRest_;  // without decay and momentum, an update leaves the idle parameters as they are
  const GradientPlan gradientPlan_;
  ReplicaSignal signal_;
  std::unique_ptr<GradientStream> stream_;
  std::unique_ptr<GradientPool> pool_;
  std::vector<std::vector<const float*>> weightLeaves_;  // by layer
  std::vector<const float*> vectorLeaves_, wholeLeaves_;
  Barrier barrier_;
  const RequestedFailure requestedFailure_;
  StepRow row_;
  int calls_ = 0;  // to every replica
  std::unique_ptr<ReplicaFailure> failure_;
  const Work rowWork_;
  std::vector<std::unique_ptr<Replica>> replicas_;
};

}  // namespace trainql
