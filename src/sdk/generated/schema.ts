export type Maybe<T> = T | null;
export type InputMaybe<T> = Maybe<T>;
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string; }
  String: { input: string; output: string; }
  Boolean: { input: boolean; output: boolean; }
  Int: { input: number; output: number; }
  Float: { input: number; output: number; }
  /** Signed 64-bit integer, as a decimal string in JSON. */
  BigInt: { input: string | number; output: string; }
  /** ISO 8601 with milliseconds, UTC. */
  DateTime: { input: string; output: string; }
};

export type Architecture =
  | 'RESNET18'
  | 'RESNET34'
  | 'RESNET50'
  | 'RESNET101'
  | 'RESNET152';

/** Random changes of training images. */
export type Augmentation = {
  cutout?: Maybe<Cutout>;
  horizontalFlip: Scalars['Boolean']['output'];
  randomCrop?: Maybe<RandomCrop>;
  randomResizedCrop?: Maybe<RandomResizedCrop>;
};

/** Random changes of training images; one crop at most. */
export type AugmentationInput = {
  cutout?: InputMaybe<CutoutInput>;
  /** Default: false. */
  horizontalFlip?: InputMaybe<Scalars['Boolean']['input']>;
  randomCrop?: InputMaybe<RandomCropInput>;
  randomResizedCrop?: InputMaybe<RandomResizedCropInput>;
};

export type CancelRequestedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

export type CancelRunResult = CancelRunSuccess | ConflictFailure | NotFoundFailure;

export type CancelRunSuccess = {
  run: Run;
};

export type Checkpoint = Node & {
  architecture: Architecture;
  /** Null where it was imported. */
  attempt?: Maybe<Scalars['Int']['output']>;
  bytes: Scalars['BigInt']['output'];
  /** Null where an earlier version did not say. */
  classes?: Maybe<Scalars['Int']['output']>;
  createdAt: Scalars['DateTime']['output'];
  /** When its files were removed; it is in no list any more. */
  deletedAt?: Maybe<Scalars['DateTime']['output']>;
  epoch: Scalars['Int']['output'];
  /** Whether the optimiser's state is beside the weights. */
  hasOptimizer: Scalars['Boolean']['output'];
  id: Scalars['ID']['output'];
  importedFrom?: Maybe<ImportSource>;
  /** Null where an earlier version did not say. */
  inputChannels?: Maybe<Scalars['Int']['output']>;
  /** Of an imported one: what was taken from the file. */
  loadReport?: Maybe<LoadReport>;
  /** Of the epoch that it was written at the end of; null inside an epoch, and of an import. */
  metrics?: Maybe<EpochMetrics>;
  name: Scalars['String']['output'];
  origin: CheckpointOrigin;
  /** The checkpoint that its run was initialised from or resumed from; null: the run's own first weights. */
  parent?: Maybe<Checkpoint>;
  /** Folder on the server. */
  path: Scalars['String']['output'];
  /** Kept from every clearing up until it is unpinned. */
  pinned: Scalars['Boolean']['output'];
  /** Its name on disk and in run specs: `<run>/<name>`, or `imported/<id>`. */
  reference: Scalars['String']['output'];
  /** Null where it was imported. */
  run?: Maybe<Run>;
  /** Null where it was imported. */
  runId?: Maybe<Scalars['ID']['output']>;
  /** sha-256 of the weights file. */
  sha256: Scalars['String']['output'];
  step: Scalars['Int']['output'];
};

export type CheckpointConnection = {
  edges: Array<CheckpointEdge>;
  nodes: Array<Checkpoint>;
  pageInfo: PageInfo;
  totalCount: Scalars['Int']['output'];
};

/** The checkpoint to go on from cannot be used, and an earlier one is. */
export type CheckpointDamagedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  /** What is wrong with it. */
  message: Scalars['String']['output'];
  name: Scalars['String']['output'];
  /** The checkpoint that the attempt goes on from. */
  resumedFrom: Scalars['String']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

export type CheckpointDeletedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  checkpoint: Checkpoint;
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

export type CheckpointEdge = {
  cursor: Scalars['String']['output'];
  node: Checkpoint;
};

export type CheckpointEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  checkpoint: Checkpoint;
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

/** A checkpoint could not be written. The one before it is whole; training goes on where the run says so. */
export type CheckpointFailedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  code: Scalars['String']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  epoch: Scalars['Int']['output'];
  fix: Scalars['String']['output'];
  message: Scalars['String']['output'];
  /** The checkpoint that is not there. */
  name: Scalars['String']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  step: Scalars['Int']['output'];
};

/** How the bytes of a checkpoint are laid out. */
export type CheckpointFormat =
  | 'SAFETENSORS'
  | 'TORCH_LEGACY'
  | 'TORCH_ZIP'
  /** A checkpoint folder of ours. */
  | 'TRAINQL';

/** What a checkpoint file holds: tensors by name, a training file around them, or a pickled model object. */
export type CheckpointLayout =
  | 'LIGHTNING'
  | 'STATE_DICT'
  | 'TRAINING_FILE'
  | 'WHOLE_MODEL';

export type CheckpointOrigin =
  | 'IMPORTED'
  | 'RUN';

export type CheckpointPinnedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  checkpoint: Checkpoint;
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  pinned: Scalars['Boolean']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

/** Checkpoints that the run's policy does not keep, and that are no more. */
export type CheckpointsRemovedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  names: Array<Scalars['String']['output']>;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

/** How well one class was recognised. */
export type ClassAccuracy = {
  /** 0 to 1; null where the class has no images. */
  accuracy?: Maybe<Scalars['Float']['output']>;
  /** Its label. */
  class: Scalars['Int']['output'];
  correct: Scalars['Int']['output'];
  /** Validation images of this class. */
  images: Scalars['Int']['output'];
  name: Scalars['String']['output'];
};

export type ConflictFailure = Failure & {
  code: Scalars['String']['output'];
  fix: Scalars['String']['output'];
  message: Scalars['String']['output'];
};

/** Images of one class that were taken for another. */
export type Confusion = {
  images: Scalars['Int']['output'];
  predictedClass: Scalars['Int']['output'];
  predictedName: Scalars['String']['output'];
  trueClass: Scalars['Int']['output'];
  trueName: Scalars['String']['output'];
};

export type ConfusionMatrix = {
  /** Whether every image is in a cell. Of more than 100 classes only the 10,000 most frequent confusions are kept, and an image whose logits are not finite is in none. */
  complete: Scalars['Boolean']['output'];
  /** The most frequent wrong predictions, the most frequent first. */
  confusions: Array<Confusion>;
  /** Images by true class (row) and predicted class (column); null where `complete` is false. */
  rows?: Maybe<Array<Array<Scalars['Int']['output']>>>;
};


export type ConfusionMatrixConfusionsArgs = {
  first?: Scalars['Int']['input'];
};

/** At an image that cannot be decoded: fail, or leave it out and count it. */
export type CorruptImagePolicy =
  | 'FAIL'
  | 'SKIP';

export type CreateRunInput = {
  /** A power of two: each device takes its part of the global batch in so many turns, in less memory. */
  accumulationSteps?: InputMaybe<Scalars['Int']['input']>;
  architecture?: InputMaybe<Architecture>;
  /** Of training images. Default: none. */
  augmentation?: InputMaybe<AugmentationInput>;
  /** Largest norm of the whole gradient. Default: no limit. */
  clipNorm?: InputMaybe<Scalars['Float']['input']>;
  dataset: Scalars['String']['input'];
  /** Default: one CPU device. */
  devices?: InputMaybe<DevicesInput>;
  engine?: InputMaybe<EngineChoice>;
  epochs?: InputMaybe<Scalars['Int']['input']>;
  globalBatch?: InputMaybe<Scalars['Int']['input']>;
  /** Default: the dataset's own. */
  imageSize?: InputMaybe<ImageSizeInput>;
  /** Share of the training target that is spread evenly over all classes. */
  labelSmoothing?: InputMaybe<Scalars['Float']['input']>;
  /** Default: 0.1 for SGD, 0.001 for Adam and AdamW. */
  learningRate?: InputMaybe<Scalars['Float']['input']>;
  name?: InputMaybe<Scalars['String']['input']>;
  onCorruptImage?: InputMaybe<CorruptImagePolicy>;
  onNonFinite?: InputMaybe<NonFinitePolicy>;
  /** Default: SGD with momentum 0.9. */
  optimizer?: InputMaybe<OptimizerInput>;
  precision?: InputMaybe<Precision>;
  /** Of the learning rate. Default: constant. */
  schedule?: InputMaybe<ScheduleInput>;
  /** Default: 0. */
  seed?: InputMaybe<Scalars['BigInt']['input']>;
  shards?: InputMaybe<Scalars['Int']['input']>;
  /** Batch-norm statistics over the global batch rather than over a shard. */
  syncBatchNorm?: InputMaybe<Scalars['Boolean']['input']>;
  /** Train on the first so many images only. Default: all. */
  trainImages?: InputMaybe<Scalars['Int']['input']>;
  /** Validate on the first so many images only. Default: all. */
  validationImages?: InputMaybe<Scalars['Int']['input']>;
};

export type CreateRunResult = ConflictFailure | CreateRunSuccess | InvalidInputFailure | NotFoundFailure;

export type CreateRunSuccess = {
  run: Run;
};

export type Cutout = {
  size: Scalars['Int']['output'];
};

/** Sets a square at a random place to the mean. */
export type CutoutInput = {
  /** Pixels on each side. */
  size: Scalars['Int']['input'];
};

export type Dataset = Node & {
  channels: Scalars['Int']['output'];
  classes: Array<Scalars['String']['output']>;
  description: Scalars['String']['output'];
  /** Of every image; null for image folders, whose files are opened by the trainer only. */
  height?: Maybe<Scalars['Int']['output']>;
  id: Scalars['ID']['output'];
  kind: DatasetKind;
  name: Scalars['String']['output'];
  /** Folder it was found in; null for a built-in set. */
  path?: Maybe<Scalars['String']['output']>;
  trainImages: Scalars['Int']['output'];
  validationImages: Scalars['Int']['output'];
  /** As height. */
  width?: Maybe<Scalars['Int']['output']>;
};

export type DatasetConnection = {
  edges: Array<DatasetEdge>;
  nodes: Array<Dataset>;
  pageInfo: PageInfo;
  totalCount: Scalars['Int']['output'];
};

export type DatasetEdge = {
  cursor: Scalars['String']['output'];
  node: Dataset;
};

export type DatasetKind =
  | 'BUILT_IN'
  | 'CIFAR10'
  | 'IDX'
  | 'IMAGE_FOLDER';

/** Before StartedEvent, every few seconds, where the images of a dataset are decoded for the first time. */
export type DecodingEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Of those done, how many cannot be decoded. */
  corruptImages: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  /** Done so far. */
  images: Scalars['Int']['output'];
  ofImages: Scalars['Int']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

export type Device = Node & {
  /** Operating-system cores of a CPU partition; null for a GPU. */
  cores?: Maybe<Array<Scalars['Int']['output']>>;
  id: Scalars['ID']['output'];
  kind: DeviceKind;
  /** The GPU's memory, or a CPU partition's even share of what this process may use. */
  memoryBytes: Scalars['BigInt']['output'];
  /** Processor or GPU model. */
  model: Scalars['String']['output'];
  /** `cpu:0`, `cuda:1`: the name to give when asking for it. */
  name: Scalars['String']['output'];
  /** The run that holds it. */
  run?: Maybe<Run>;
  state: DeviceState;
  /** UUID of a GPU; null for a CPU partition. */
  uuid?: Maybe<Scalars['String']['output']>;
};

export type DeviceConnection = {
  edges: Array<DeviceEdge>;
  nodes: Array<Device>;
  pageInfo: PageInfo;
  totalCount: Scalars['Int']['output'];
};

export type DeviceEdge = {
  cursor: Scalars['String']['output'];
  node: Device;
};

export type DeviceKind =
  | 'CPU'
  | 'CUDA';

export type DeviceState =
  | 'FREE'
  | 'LEASED'
  | 'UNAVAILABLE';

/** Name devices, or ask for a count of a kind; never both. */
export type DevicesInput = {
  count?: InputMaybe<Scalars['Int']['input']>;
  /** Of the devices counted. Default: CPU. */
  kind?: InputMaybe<DeviceKind>;
  names?: InputMaybe<Array<Scalars['String']['input']>>;
};

export type EngineChoice =
  | 'AUTO'
  | 'NATIVE'
  | 'TFJS';

export type EngineInfo = {
  available: Scalars['Boolean']['output'];
  detail: Scalars['String']['output'];
  name: Scalars['String']['output'];
  /** What it computes in here. */
  precisions: Array<Precision>;
};

export type EpochEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  metrics: EpochMetrics;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

export type EpochMetrics = Node & {
  /** Top-1 on the validation images, 0 to 1. */
  accuracy?: Maybe<Scalars['Float']['output']>;
  attempt: Scalars['Int']['output'];
  /** Null as `perClass`. */
  confusionMatrix?: Maybe<ConfusionMatrix>;
  epoch: Scalars['Int']['output'];
  id: Scalars['ID']['output'];
  imagesPerSecond: Scalars['Float']['output'];
  learningRate: Scalars['Float']['output'];
  nonFinite: Scalars['Boolean']['output'];
  /** In the order of the labels. Null where an earlier version did not measure it. */
  perClass?: Maybe<Array<ClassAccuracy>>;
  runId: Scalars['ID']['output'];
  step: Scalars['Int']['output'];
  systemSeconds: Scalars['Float']['output'];
  /** Share of the validation images whose class is among the five likeliest, 0 to 1; 1 by definition with five classes or fewer. Null where an earlier version did not measure it. */
  top5Accuracy?: Maybe<Scalars['Float']['output']>;
  trainLoss?: Maybe<Scalars['Float']['output']>;
  userSeconds: Scalars['Float']['output'];
  validationLoss?: Maybe<Scalars['Float']['output']>;
  wallSeconds: Scalars['Float']['output'];
};

export type FailedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  failure: RunFailure;
  lastCheckpoint?: Maybe<Scalars['String']['output']>;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

/** An expected failure: what happened and what to do next. */
export type Failure = {
  code: Scalars['String']['output'];
  fix: Scalars['String']['output'];
  message: Scalars['String']['output'];
};

export type FinishedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  epochs: Scalars['Int']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  step: Scalars['Int']['output'];
  wallSeconds: Scalars['Float']['output'];
};

export type ImageSize = {
  height: Scalars['Int']['output'];
  width: Scalars['Int']['output'];
};

export type ImageSizeInput = {
  height: Scalars['Int']['input'];
  width: Scalars['Int']['input'];
};

/** The file that an imported checkpoint was made of. */
export type ImportSource = {
  file: Scalars['String']['output'];
  format: CheckpointFormat;
  layout: CheckpointLayout;
  sha256: Scalars['String']['output'];
  /** Taken off the front of every name, such as `module.`; else empty. */
  strippedPrefix: Scalars['String']['output'];
};

/** Behind StartedEvent, where the first weights are those of a checkpoint. */
export type InitialisedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  /** The checkpoint, as the run names it, such as "imported/<id>". */
  from: Scalars['String']['output'];
  report: LoadReport;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

export type InvalidInputFailure = Failure & {
  code: Scalars['String']['output'];
  /** Dotted path of the input field. */
  field?: Maybe<Scalars['String']['output']>;
  fix: Scalars['String']['output'];
  message: Scalars['String']['output'];
};

export type LayerKind =
  | 'ADD'
  | 'BATCH_NORM'
  | 'CONV'
  | 'GLOBAL_AVG_POOL'
  | 'LINEAR'
  | 'MAX_POOL'
  | 'RELU';

export type LayerSummary = {
  /** Values of its output for one image. */
  activations: Scalars['BigInt']['output'];
  /** FLOPs of one image, forward: two for each multiply-add of convolutions and linear layers, taps on padding included, as published counts are made. */
  forwardFlops: Scalars['BigInt']['output'];
  kind: LayerKind;
  /** torchvision's name of the module; what has no parameters is numbered within its block. */
  name: Scalars['String']['output'];
  /** Channels, height and width of one image. */
  outputShape: Array<Scalars['Int']['output']>;
  parameters: Scalars['BigInt']['output'];
  /** FLOPs of one image in a training step: forward, and the gradients of weights and of inputs. */
  trainingFlops: Scalars['BigInt']['output'];
};

export type LeasedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  devices: Array<Scalars['String']['output']>;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  toAttempt: Scalars['Int']['output'];
};

/** What came of putting a checkpoint's tensors into a model. */
export type LoadReport = {
  /** Made to fit, as asked: a stem summed over its input channels. */
  adapted: Array<Scalars['String']['output']>;
  /** Batch-norm counters that the file lacks, taken as 0. */
  assumedZero: Array<Scalars['String']['output']>;
  /** What the tensors are, in words. */
  description: Scalars['String']['output'];
  /** Devices baked into the file, such as "cuda:3"; they were ignored. */
  deviceTags: Array<Scalars['String']['output']>;
  /** Keys that lead to the tensors within the file, such as "state_dict". */
  foundAt: Scalars['String']['output'];
  layout: CheckpointLayout;
  /** Tensors of the model that the file filled. */
  matched: Array<Scalars['String']['output']>;
  /** Tensors of the model that the file does not have. */
  missing: Array<Scalars['String']['output']>;
  recognised?: Maybe<RecognisedModel>;
  /** Left to fresh weights, as asked. */
  reinitialised: Array<Scalars['String']['output']>;
  shapeMismatch: Array<ShapeMismatch>;
  sourceFormat: CheckpointFormat;
  /** Taken off the front of every name that had it; "" where nothing was. */
  strippedPrefix: Scalars['String']['output'];
  /** Tensors of the file that the model does not have, by their names there. */
  unexpected: Array<Scalars['String']['output']>;
};

/** Bytes that the native engine takes, within 10 %. Images, dataset and process come on top. */
export type MemoryEstimate = {
  /** Of each replica: activations of the shards at work at once and the gradients alive beside them, at their peak. */
  activationBytes: Scalars['BigInt']['output'];
  /** Of each replica: gradients of a few layers at a time; or, with more shards than are at work at once or clipping, one set for each level of its sum over shards. */
  gradientBytes: Scalars['BigInt']['output'];
  /** State of the optimizer, held once. */
  optimizerBytes: Scalars['BigInt']['output'];
  /** Gradients, activations, weight copies and working memory of one replica. */
  replicaBytes: Scalars['BigInt']['output'];
  /** Of each replica: working memory of the largest convolution. */
  scratchBytes: Scalars['BigInt']['output'];
  /** What is held once, and every replica. */
  totalBytes: Scalars['BigInt']['output'];
  /** Parameters and running statistics, held once. */
  weightBytes: Scalars['BigInt']['output'];
  /** Of each replica: the weights of one layer at a time, in the layout that its kernels read. */
  weightCopyBytes: Scalars['BigInt']['output'];
};

export type ModelSummary = {
  /** Values that all layers give for one image. */
  activations: Scalars['BigInt']['output'];
  architecture: Architecture;
  channels: Scalars['Int']['output'];
  classes: Scalars['Int']['output'];
  /** FLOPs of one image, forward: two for each multiply-add of convolutions and linear layers, taps on padding included, as published counts are made. */
  forwardFlops: Scalars['BigInt']['output'];
  height: Scalars['Int']['output'];
  /** In the order in which they are computed. */
  layers: Array<LayerSummary>;
  memory: MemoryEstimate;
  /** Of one image, forward: half of `forwardFlops`. */
  multiplyAdds: Scalars['BigInt']['output'];
  parameters: Scalars['BigInt']['output'];
  /** FLOPs of a whole step: those of training, times the global batch. */
  stepFlops: Scalars['BigInt']['output'];
  /** FLOPs of one image in a training step: forward, and the gradients of weights and of inputs. */
  trainingFlops: Scalars['BigInt']['output'];
  width: Scalars['Int']['output'];
};

export type ModelSummaryInput = {
  architecture?: Architecture;
  channels?: Scalars['Int']['input'];
  classes?: Scalars['Int']['input'];
  /** Whether gradients are clipped (`clipNorm`), and so all kept until their norm is known. */
  clipped?: Scalars['Boolean']['input'];
  /** How many: 1, 2, 4 … shards. */
  devices?: Scalars['Int']['input'];
  globalBatch?: Scalars['Int']['input'];
  height?: Scalars['Int']['input'];
  optimizer?: OptimizerKind;
  precision?: Precision;
  /** Of a step: those of the run times its accumulationSteps. */
  shards?: Scalars['Int']['input'];
  /** Needs memory for all shards at once. */
  syncBatchNorm?: Scalars['Boolean']['input'];
  width?: Scalars['Int']['input'];
};

export type ModelSummaryResult = InvalidInputFailure | ModelSummary;

export type Mutation = {
  cancelRun: CancelRunResult;
  createRun: CreateRunResult;
  /** A run that failed or was canceled goes on as its next attempt: its weights end bit-equal to a run that never stopped. */
  resumeRun: ResumeRunResult;
};


export type MutationCancelRunArgs = {
  id: Scalars['ID']['input'];
};


export type MutationCreateRunArgs = {
  input: CreateRunInput;
};


export type MutationResumeRunArgs = {
  checkpoint?: InputMaybe<Scalars['ID']['input']>;
  devices?: InputMaybe<DevicesInput>;
  runId: Scalars['ID']['input'];
};

export type Node = {
  id: Scalars['ID']['output'];
};

export type NonFinitePolicy =
  | 'CONTINUE'
  | 'STOP';

export type NotFoundFailure = Failure & {
  code: Scalars['String']['output'];
  fix: Scalars['String']['output'];
  message: Scalars['String']['output'];
};

/** Settings that its kind does not have are null. */
export type Optimizer = {
  beta1?: Maybe<Scalars['Float']['output']>;
  beta2?: Maybe<Scalars['Float']['output']>;
  /** False: no weight decay for batch-norm scales and shifts and for biases. */
  decayVectors: Scalars['Boolean']['output'];
  epsilon?: Maybe<Scalars['Float']['output']>;
  kind: OptimizerKind;
  momentum?: Maybe<Scalars['Float']['output']>;
  nesterov?: Maybe<Scalars['Boolean']['output']>;
  weightDecay: Scalars['Float']['output'];
};

export type OptimizerInput = {
  /** Adam and AdamW only. Default: 0.9. */
  beta1?: InputMaybe<Scalars['Float']['input']>;
  /** Adam and AdamW only. Default: 0.999. */
  beta2?: InputMaybe<Scalars['Float']['input']>;
  /** False: no weight decay for batch-norm scales and shifts and for biases. Default: true. */
  decayVectors?: InputMaybe<Scalars['Boolean']['input']>;
  /** Adam and AdamW only. Default: 1e-8. */
  epsilon?: InputMaybe<Scalars['Float']['input']>;
  kind?: OptimizerKind;
  /** SGD only. Default: 0.9. */
  momentum?: InputMaybe<Scalars['Float']['input']>;
  /** SGD only, with momentum. Default: false. */
  nesterov?: InputMaybe<Scalars['Boolean']['input']>;
  /** Added to the gradient (SGD, Adam; default: 0) or taken off the weights (AdamW; default: 0.01). */
  weightDecay?: InputMaybe<Scalars['Float']['input']>;
};

export type OptimizerKind =
  | 'ADAM'
  | 'ADAMW'
  | 'SGD';

export type PageInfo = {
  endCursor?: Maybe<Scalars['String']['output']>;
  hasNextPage: Scalars['Boolean']['output'];
  hasPreviousPage: Scalars['Boolean']['output'];
  startCursor?: Maybe<Scalars['String']['output']>;
};

/** What the engine computes in. BF16 keeps weights, sums and updates in fp32. */
export type Precision =
  | 'BF16'
  | 'FP32';

export type Query = {
  checkpoint?: Maybe<Checkpoint>;
  /** Newest run or import first, in a run oldest first. */
  checkpoints: CheckpointConnection;
  dataset?: Maybe<Dataset>;
  datasets: DatasetConnection;
  device?: Maybe<Device>;
  devices: DeviceConnection;
  /** By attempt and epoch; none for an unknown run. */
  epochMetrics: Array<EpochMetrics>;
  /** What a model is made of, and the operations and memory that training it takes; nothing is started. */
  modelSummary: ModelSummaryResult;
  node?: Maybe<Node>;
  run?: Maybe<Run>;
  runEvent?: Maybe<RunEvent>;
  /** Newest first. */
  runs: RunConnection;
  /** Version and engine of this server. */
  server: Server;
};


export type QueryCheckpointArgs = {
  id: Scalars['ID']['input'];
};


export type QueryCheckpointsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  origin?: InputMaybe<CheckpointOrigin>;
  runId?: InputMaybe<Scalars['ID']['input']>;
};


export type QueryDatasetArgs = {
  name: Scalars['String']['input'];
};


export type QueryDatasetsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
};


export type QueryDeviceArgs = {
  name: Scalars['String']['input'];
};


export type QueryDevicesArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  kind?: InputMaybe<DeviceKind>;
  last?: InputMaybe<Scalars['Int']['input']>;
};


export type QueryEpochMetricsArgs = {
  runId: Scalars['ID']['input'];
};


export type QueryModelSummaryArgs = {
  input: ModelSummaryInput;
};


export type QueryNodeArgs = {
  id: Scalars['ID']['input'];
};


export type QueryRunArgs = {
  id: Scalars['ID']['input'];
};


export type QueryRunEventArgs = {
  cursor: Scalars['String']['input'];
  runId: Scalars['ID']['input'];
};


export type QueryRunsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  states?: InputMaybe<Array<RunState>>;
};

export type QueuedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

export type RandomCrop = {
  padding: Scalars['Int']['output'];
};

/** Pads with black and cuts the image's size out at a random place. */
export type RandomCropInput = {
  /** Pixels on each side. Default: 4. */
  padding?: InputMaybe<Scalars['Int']['input']>;
};

export type RandomResizedCrop = {
  maxRatio: Scalars['Float']['output'];
  maxScale: Scalars['Float']['output'];
  minRatio: Scalars['Float']['output'];
  minScale: Scalars['Float']['output'];
};

/** Cuts a random part and scales it to the image's size. */
export type RandomResizedCropInput = {
  /** Largest width / height. Default: 4/3. */
  maxRatio?: InputMaybe<Scalars['Float']['input']>;
  /** Largest share of the area. Default: 1. */
  maxScale?: InputMaybe<Scalars['Float']['input']>;
  /** Least width / height. Default: 3/4. */
  minRatio?: InputMaybe<Scalars['Float']['input']>;
  /** Least share of the area. Default: 0.08. */
  minScale?: InputMaybe<Scalars['Float']['input']>;
};

/** Which ResNet tensors are, told by their names and shapes alone. */
export type RecognisedModel = {
  architecture: Architecture;
  /** Null where the last layer is not among the tensors. */
  classes?: Maybe<Scalars['Int']['output']>;
  /** Null where the first layer is not among the tensors. */
  inputChannels?: Maybe<Scalars['Int']['output']>;
};

export type ReleasedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  devices: Array<Scalars['String']['output']>;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  toAttempt: Scalars['Int']['output'];
};

/** A run that had failed or been canceled is queued again. */
export type ResumeRequestedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** That it goes on from; null: it has none, and starts over. */
  checkpoint?: Maybe<Checkpoint>;
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

export type ResumeRunResult = ConflictFailure | InvalidInputFailure | NotFoundFailure | ResumeRunSuccess;

export type ResumeRunSuccess = {
  run: Run;
};

export type Run = Node & {
  accumulationSteps: Scalars['Int']['output'];
  architecture: Architecture;
  attempt: Scalars['Int']['output'];
  augmentation?: Maybe<Augmentation>;
  /** Oldest first. */
  checkpoints: CheckpointConnection;
  /** Null: no limit. */
  clipNorm?: Maybe<Scalars['Float']['output']>;
  createdAt: Scalars['DateTime']['output'];
  dataset: Scalars['String']['output'];
  deviceNames: Array<Scalars['String']['output']>;
  /** Devices it holds, or last held; empty while queued. */
  devices: Array<Device>;
  /** The run directory on the server. */
  directory: Scalars['String']['output'];
  /** Engine that runs it, such as `native`; null before it started. */
  engine?: Maybe<Scalars['String']['output']>;
  engineChoice: EngineChoice;
  engineDetail?: Maybe<Scalars['String']['output']>;
  epochMetrics: Array<EpochMetrics>;
  epochs: Scalars['Int']['output'];
  /** In order. */
  events: RunEventConnection;
  failure?: Maybe<RunFailure>;
  finishedAt?: Maybe<Scalars['DateTime']['output']>;
  globalBatch: Scalars['Int']['output'];
  id: Scalars['ID']['output'];
  /** Null: the dataset's own. */
  imageSize?: Maybe<ImageSize>;
  /** Null: it began with random weights. */
  initialisedFrom?: Maybe<Checkpoint>;
  labelSmoothing: Scalars['Float']['output'];
  /** Cursor of its newest event; null before the first. */
  lastCursor?: Maybe<Scalars['String']['output']>;
  learningRate: Scalars['Float']['output'];
  /** What was taken from the checkpoint it was initialised from; null before it started, and without one. */
  loadReport?: Maybe<LoadReport>;
  name?: Maybe<Scalars['String']['output']>;
  onCorruptImage: CorruptImagePolicy;
  optimizer: Optimizer;
  parameters?: Maybe<Scalars['BigInt']['output']>;
  precision: Precision;
  progress: RunProgress;
  schedule: Schedule;
  seed: Scalars['BigInt']['output'];
  shards: Scalars['Int']['output'];
  startedAt?: Maybe<Scalars['DateTime']['output']>;
  state: RunState;
  syncBatchNorm: Scalars['Boolean']['output'];
  /** Why it is still queued, in words. */
  waitingFor?: Maybe<Scalars['String']['output']>;
};


export type RunCheckpointsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
};


export type RunEventsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
};

export type RunConnection = {
  edges: Array<RunEdge>;
  nodes: Array<Run>;
  pageInfo: PageInfo;
  totalCount: Scalars['Int']['output'];
};

export type RunEdge = {
  cursor: Scalars['String']['output'];
  node: Run;
};

export type RunEndedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  failure?: Maybe<RunFailure>;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  state: RunState;
};

export type RunEvent = {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

export type RunEventConnection = {
  edges: Array<RunEventEdge>;
  nodes: Array<RunEvent>;
  pageInfo: PageInfo;
};

export type RunEventEdge = {
  cursor: Scalars['String']['output'];
  node: RunEvent;
};

export type RunEventsItem = CancelRequestedEvent | CheckpointDamagedEvent | CheckpointDeletedEvent | CheckpointEvent | CheckpointFailedEvent | CheckpointPinnedEvent | CheckpointsRemovedEvent | DecodingEvent | EpochEvent | FailedEvent | FinishedEvent | InitialisedEvent | InvalidInputFailure | LeasedEvent | NotFoundFailure | QueuedEvent | ReleasedEvent | ResumeRequestedEvent | RunEndedEvent | StartedEvent | StepEvent | StoppedEvent;

export type RunFailure = {
  code: Scalars['String']['output'];
  fix: Scalars['String']['output'];
  message: Scalars['String']['output'];
  nonFinite: Scalars['Boolean']['output'];
  step?: Maybe<Scalars['Int']['output']>;
};

export type RunProgress = {
  epoch: Scalars['Int']['output'];
  epochs: Scalars['Int']['output'];
  imagesPerSecond?: Maybe<Scalars['Float']['output']>;
  loss?: Maybe<Scalars['Float']['output']>;
  step: Scalars['Int']['output'];
  /** Of all epochs; null before the trainer has opened the dataset. */
  steps?: Maybe<Scalars['Int']['output']>;
};

export type RunState =
  | 'CANCELED'
  | 'CANCELING'
  | 'FAILED'
  | 'QUEUED'
  | 'RUNNING'
  | 'STARTING'
  | 'SUCCEEDED';

/** Of the learning rate. Settings that its kind does not have are null. */
export type Schedule = {
  endFactor?: Maybe<Scalars['Float']['output']>;
  factor?: Maybe<Scalars['Float']['output']>;
  kind: ScheduleKind;
  minimum?: Maybe<Scalars['Float']['output']>;
  peakShare?: Maybe<Scalars['Float']['output']>;
  startFactor?: Maybe<Scalars['Float']['output']>;
  stepEpochs?: Maybe<Scalars['Int']['output']>;
  warmUpSteps?: Maybe<Scalars['Int']['output']>;
};

/** The learning rate of each step; the run's learning rate is its largest. */
export type ScheduleInput = {
  /** ONE_CYCLE only: share of the learning rate at the last step. Default: 4e-6. */
  endFactor?: InputMaybe<Scalars['Float']['input']>;
  /** STEP only. Default: 0.1. */
  factor?: InputMaybe<Scalars['Float']['input']>;
  kind?: ScheduleKind;
  /** COSINE only: what the end of the run approaches. Default: 0. */
  minimum?: InputMaybe<Scalars['Float']['input']>;
  /** ONE_CYCLE only: share of the steps that rise. Default: 0.3. */
  peakShare?: InputMaybe<Scalars['Float']['input']>;
  /** ONE_CYCLE only: share of the learning rate at the first step. Default: 0.04. */
  startFactor?: InputMaybe<Scalars['Float']['input']>;
  /** STEP only, needed there: times `factor` after every so many epochs. */
  stepEpochs?: InputMaybe<Scalars['Int']['input']>;
  /** The first so many steps rise linearly. Not for ONE_CYCLE, which has its own rise. Default: 0. */
  warmUpSteps?: InputMaybe<Scalars['Int']['input']>;
};

export type ScheduleKind =
  | 'CONSTANT'
  | 'COSINE'
  | 'ONE_CYCLE'
  | 'STEP';

export type Server = {
  dataDirectory: Scalars['String']['output'];
  /** Best first. */
  engines: Array<EngineInfo>;
  startedAt: Scalars['DateTime']['output'];
  version: Scalars['String']['output'];
};

export type ShapeMismatch = {
  /** The model's. */
  expected: Array<Scalars['Int']['output']>;
  /** The file's. */
  found: Array<Scalars['Int']['output']>;
  name: Scalars['String']['output'];
};

export type StartedEvent = RunEvent & {
  accumulationSteps: Scalars['Int']['output'];
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  devices: Array<Scalars['String']['output']>;
  engine: Scalars['String']['output'];
  engineDetail: Scalars['String']['output'];
  epochs: Scalars['Int']['output'];
  globalBatch: Scalars['Int']['output'];
  /** What the engine holds: weights, gradients, optimiser state, activations. */
  memoryBytes?: Maybe<Scalars['BigInt']['output']>;
  parameters: Scalars['BigInt']['output'];
  precision: Precision;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  shards: Scalars['Int']['output'];
  /** Left out because they cannot be decoded. */
  skippedImages: Scalars['Int']['output'];
  stepsPerEpoch: Scalars['Int']['output'];
  syncBatchNorm: Scalars['Boolean']['output'];
  trainImages: Scalars['Int']['output'];
  validationImages: Scalars['Int']['output'];
};

export type StepEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  epoch: Scalars['Int']['output'];
  imagesPerSecond: Scalars['Float']['output'];
  learningRate: Scalars['Float']['output'];
  loss?: Maybe<Scalars['Float']['output']>;
  nonFinite: Scalars['Boolean']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  step: Scalars['Int']['output'];
};

export type StoppedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  lastCheckpoint?: Maybe<Scalars['String']['output']>;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  step: Scalars['Int']['output'];
};

export type Subscription = {
  /** Every event of the run once and in order: first those after the cursor (all, without one), then each new one. Ends after RunEndedEvent. */
  runEvents: RunEventsItem;
};


export type SubscriptionRunEventsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  runId: Scalars['ID']['input'];
};
