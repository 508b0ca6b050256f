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
  BigInt: { input: string | number | bigint; output: string; }
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

export type CheckedFile = {
  bytes: Scalars['BigInt']['output'];
  /** What was written: its size and sha-256. */
  expected: Scalars['String']['output'];
  /** What is there now. */
  found: Scalars['String']['output'];
  intact: Scalars['Boolean']['output'];
  name: Scalars['String']['output'];
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

/** A file made of a checkpoint. */
export type CheckpointDownload = {
  bytes: Scalars['BigInt']['output'];
  expiresAt: Scalars['DateTime']['output'];
  fileName: Scalars['String']['output'];
  format: ExportFormat;
  sha256: Scalars['String']['output'];
  /** Path and query on this server: GET, HEAD and ranges. */
  url: Scalars['String']['output'];
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

/** What a training file says of itself. */
export type CheckpointFacts = {
  arch?: Maybe<Scalars['String']['output']>;
  bestAccuracy?: Maybe<Scalars['Float']['output']>;
  epoch?: Maybe<Scalars['Int']['output']>;
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

/** What a file is, and what would come of importing it. */
export type CheckpointInspection = {
  bytes: Scalars['BigInt']['output'];
  facts: CheckpointFacts;
  /** Its base name. */
  file: Scalars['String']['output'];
  /** Null where it is no checkpoint of any kind. */
  format?: Maybe<CheckpointFormat>;
  layout?: Maybe<CheckpointLayout>;
  /** Whether it would be imported as it is, strictly. */
  loads: Scalars['Boolean']['output'];
  optimizer?: Maybe<CheckpointOptimizer>;
  parameters: Scalars['BigInt']['output'];
  problems: Array<CheckpointProblem>;
  report?: Maybe<LoadReport>;
  tensors: Array<CheckpointTensor>;
};

/** What a checkpoint file holds: tensors by name, a training file around them, or a pickled model object. */
export type CheckpointLayout =
  | 'LIGHTNING'
  | 'STATE_DICT'
  | 'TRAINING_FILE'
  | 'WHOLE_MODEL';

export type CheckpointMetric =
  | 'ACCURACY'
  | 'VALIDATION_LOSS';

/** An optimiser's state in a file. */
export type CheckpointOptimizer = {
  kind: Scalars['String']['output'];
  step: Scalars['Int']['output'];
  tensors: Scalars['Int']['output'];
};

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

/** Which checkpoints a run writes and keeps. */
export type CheckpointPolicy = {
  /** Null: at the end of each epoch only. */
  everySteps?: Maybe<Scalars['Int']['output']>;
  keepBest?: Maybe<KeepBest>;
  keepEvery?: Maybe<Scalars['Int']['output']>;
  keepLast?: Maybe<Scalars['Int']['output']>;
  onDiskFull: FullDiskPolicy;
};

/** A run keeps what any of `keepLast`, `keepBest` and `keepEvery` keeps, its newest and those that are pinned; all where it names none of the three. */
export type CheckpointPolicyInput = {
  /** A checkpoint also after so many steps. Default: each epoch only. */
  everySteps?: InputMaybe<Scalars['Int']['input']>;
  /** Those that did best in their validation. */
  keepBest?: InputMaybe<KeepBestInput>;
  /** Those of every so many epochs. */
  keepEvery?: InputMaybe<Scalars['Int']['input']>;
  /** So many of the newest. */
  keepLast?: InputMaybe<Scalars['Int']['input']>;
  onDiskFull?: InputMaybe<FullDiskPolicy>;
};

/** Why a file would not load here, or why it would not in PyTorch. */
export type CheckpointProblem = {
  /** False: worth knowing, and no hindrance here. */
  blocks: Scalars['Boolean']['output'];
  code: CheckpointProblemCode;
  fix: Scalars['String']['output'];
  message: Scalars['String']['output'];
};

export type CheckpointProblemCode =
  | 'DAMAGED'
  | 'DEVICE_TAGS'
  | 'MISSING_TENSORS'
  | 'NON_FINITE'
  | 'NOT_A_CHECKPOINT'
  | 'NOT_A_RESNET'
  | 'NO_TENSORS'
  | 'OPTIMIZER'
  | 'PREFIX'
  | 'SHAPE_MISMATCH'
  | 'TRUNCATED'
  | 'UNEXPECTED_TENSORS'
  | 'WHOLE_MODEL'
  | 'WRONG_ARCHITECTURE'
  | 'WRONG_CHANNELS'
  | 'WRONG_CLASSES';

export type CheckpointSuccess = {
  checkpoint: Checkpoint;
};

export type CheckpointTensor = {
  /** As the file says; it is ignored. */
  device: Scalars['String']['output'];
  dtype: Scalars['String']['output'];
  name: Scalars['String']['output'];
  shape: Array<Scalars['Int']['output']>;
};

/** Where a file may be sent to. */
export type CheckpointUpload = {
  /** Then the URL, and what was sent there, are forgotten. */
  expiresAt: Scalars['DateTime']['output'];
  id: Scalars['ID']['output'];
  /** A larger file is refused with status 413. */
  limitBytes: Scalars['BigInt']['output'];
  /** Path and query on this server: PUT the bytes of the file there, once. */
  url: Scalars['String']['output'];
};

export type CheckpointUploadInput = {
  /** Its size: one that is too large is refused at once. */
  bytes?: InputMaybe<Scalars['BigInt']['input']>;
  /** Base name of the file, such as `resnet18.pth`. */
  fileName: Scalars['String']['input'];
};

/** Whether a checkpoint's files are as they were written. */
export type CheckpointVerification = {
  checkpoint: Checkpoint;
  files: Array<CheckedFile>;
  intact: Scalars['Boolean']['output'];
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

export type ClassProbability = {
  class: Scalars['Int']['output'];
  /** The number as text where the checkpoint does not know the name. */
  name: Scalars['String']['output'];
  probability: Scalars['Float']['output'];
};

export type ConflictFailure = Failure & {
  code: Scalars['String']['output'];
  /** The run that does not allow what was asked of it, as it is now; null where none is in the way. */
  currentRun?: Maybe<Run>;
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

export type CreateCheckpointUploadResult = CheckpointUpload | ConflictFailure | InvalidInputFailure;

export type CreateRunInput = {
  /** A power of two: each device takes its part of the global batch in so many turns, in less memory. */
  accumulationSteps?: InputMaybe<Scalars['Int']['input']>;
  architecture?: InputMaybe<Architecture>;
  /** Of training images. Default: none. */
  augmentation?: InputMaybe<AugmentationInput>;
  /** Default: one an epoch, and all are kept. */
  checkpoints?: InputMaybe<CheckpointPolicyInput>;
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
  /** Default: random weights, drawn from the seed. */
  initialise?: InputMaybe<InitialiseInput>;
  /** Share of the training target that is spread evenly over all classes. */
  labelSmoothing?: InputMaybe<Scalars['Float']['input']>;
  /** Default: 0.1 x globalBatch / 256 for SGD, 0.001 for Adam and AdamW. */
  learningRate?: InputMaybe<Scalars['Float']['input']>;
  name?: InputMaybe<Scalars['String']['input']>;
  onCorruptImage?: InputMaybe<CorruptImagePolicy>;
  onNonFinite?: InputMaybe<NonFinitePolicy>;
  /** Default: SGD with momentum 0.9. */
  optimizer?: InputMaybe<OptimizerInput>;
  precision?: InputMaybe<Precision>;
  /** From -1000 to 1000; the highest is served first. */
  priority?: InputMaybe<Scalars['Int']['input']>;
  /** Default: one attempt. */
  retry?: InputMaybe<RetryInput>;
  /** Of the learning rate. Default: constant; for SGD without a learningRate behind a warm-up of a tenth of the run, of five epochs at most. */
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

export type CreateRunResult = ConflictFailure | CreateRunSuccess | InvalidInputFailure | LoadRefusedFailure | NotFoundFailure;

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
  availability: DeviceAvailability;
  /** Why it takes no runs, in words. */
  availabilityReason?: Maybe<Scalars['String']['output']>;
  /** Null: since the device was first found. */
  availabilitySince?: Maybe<Scalars['DateTime']['output']>;
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

/** Whether a device takes runs. It keeps this when the server restarts. */
export type DeviceAvailability =
  /** It takes runs. */
  | 'ACTIVE'
  /** It takes no runs; the one that it had has gone on elsewhere, or waits. */
  | 'DISABLED'
  /** It takes no more runs; the one that it has goes on, and then its state is FREE. */
  | 'DRAINING'
  /** It takes no runs: trainers died on it, one after the other. */
  | 'QUARANTINED';

export type DeviceAvailabilityResult = ConflictFailure | DeviceAvailabilitySuccess | InvalidInputFailure | NotFoundFailure;

export type DeviceAvailabilitySuccess = {
  device: Device;
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

/** Name devices, or ask for a count of a kind, or for the fewest and the most of it; never two of them. */
export type DevicesInput = {
  count?: InputMaybe<Scalars['Int']['input']>;
  /** Of the devices counted. Default: CPU. */
  kind?: InputMaybe<DeviceKind>;
  /** The most that it takes where they are free. Default: min. */
  max?: InputMaybe<Scalars['Int']['input']>;
  /** The fewest that the run starts with. Default: 1. */
  min?: InputMaybe<Scalars['Int']['input']>;
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
  /** A later attempt has trained these steps anew: it belongs to a course that was given up. In an event it is as it was when that came. */
  superseded: Scalars['Boolean']['output'];
  systemSeconds: Scalars['Float']['output'];
  /** Share of the validation images whose class is among the five likeliest, 0 to 1; 1 by definition with five classes or fewer. Null where an earlier version did not measure it. */
  top5Accuracy?: Maybe<Scalars['Float']['output']>;
  trainLoss?: Maybe<Scalars['Float']['output']>;
  userSeconds: Scalars['Float']['output'];
  validationLoss?: Maybe<Scalars['Float']['output']>;
  wallSeconds: Scalars['Float']['output'];
};

/** What is expected, and between what it is likely to lie. */
export type Expectation = {
  expected: Scalars['Float']['output'];
  high: Scalars['Float']['output'];
  low: Scalars['Float']['output'];
};

export type ExportCheckpointInput = {
  checkpoint: Scalars['ID']['input'];
  /** ONNX: batch norm folded into the convolutions. */
  foldBatchNorm?: InputMaybe<Scalars['Boolean']['input']>;
  format: ExportFormat;
  /** TORCH: `module.` before every name, as DataParallel writes. */
  modulePrefix?: InputMaybe<Scalars['Boolean']['input']>;
  /** TORCH: `{epoch, arch, state_dict, optimizer}` rather than the state dict alone. */
  trainingFile?: InputMaybe<Scalars['Boolean']['input']>;
};

export type ExportCheckpointResult = CheckpointDownload | ConflictFailure | InvalidInputFailure | NotFoundFailure;

/** TORCH: a .pth that torch.load(weights_only=True) and load_state_dict(strict=True) take. */
export type ExportFormat =
  | 'ONNX'
  | 'SAFETENSORS'
  | 'TORCH';

export type ExportMetricsInput = {
  format?: MetricsFormat;
  /** Also rows that a later attempt has trained anew; the column `superseded` tells them. */
  includeSuperseded?: Scalars['Boolean']['input'];
  kind?: MetricsKind;
  runId: Scalars['ID']['input'];
};

export type ExportMetricsResult = MetricsDownload | NotFoundFailure;

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

/** Fields of createRun. Left out: as the origin has it. Null: the default of createRun. A learning rate belongs to its optimizer: one of another kind comes with that kind's default. */
export type ForkChangesInput = {
  accumulationSteps?: InputMaybe<Scalars['Int']['input']>;
  architecture?: InputMaybe<Architecture>;
  augmentation?: InputMaybe<AugmentationInput>;
  checkpoints?: InputMaybe<CheckpointPolicyInput>;
  clipNorm?: InputMaybe<Scalars['Float']['input']>;
  dataset?: InputMaybe<Scalars['String']['input']>;
  devices?: InputMaybe<DevicesInput>;
  engine?: InputMaybe<EngineChoice>;
  epochs?: InputMaybe<Scalars['Int']['input']>;
  globalBatch?: InputMaybe<Scalars['Int']['input']>;
  imageSize?: InputMaybe<ImageSizeInput>;
  labelSmoothing?: InputMaybe<Scalars['Float']['input']>;
  learningRate?: InputMaybe<Scalars['Float']['input']>;
  onCorruptImage?: InputMaybe<CorruptImagePolicy>;
  onNonFinite?: InputMaybe<NonFinitePolicy>;
  optimizer?: InputMaybe<OptimizerInput>;
  precision?: InputMaybe<Precision>;
  priority?: InputMaybe<Scalars['Int']['input']>;
  retry?: InputMaybe<RetryInput>;
  schedule?: InputMaybe<ScheduleInput>;
  seed?: InputMaybe<Scalars['BigInt']['input']>;
  shards?: InputMaybe<Scalars['Int']['input']>;
  syncBatchNorm?: InputMaybe<Scalars['Boolean']['input']>;
  trainImages?: InputMaybe<Scalars['Int']['input']>;
  validationImages?: InputMaybe<Scalars['Int']['input']>;
};

export type ForkRunInput = {
  /** Default: none. */
  changes?: InputMaybe<ForkChangesInput>;
  /** One of the run's own. Default: its latest; where it has none, its initial weights. */
  checkpoint?: InputMaybe<Scalars['ID']['input']>;
  /** Begin where the run began. */
  initialWeights?: InputMaybe<Scalars['Boolean']['input']>;
  name?: InputMaybe<Scalars['String']['input']>;
  /** Layers that get fresh weights, such as `fc`. */
  reinitialise?: InputMaybe<Array<Scalars['String']['input']>>;
  /** Default: AS_IS. */
  stem?: InputMaybe<StemAdaptation>;
};

export type ForkRunResult = ConflictFailure | ForkRunSuccess | InvalidInputFailure | NotFoundFailure;

export type ForkRunSuccess = {
  run: Run;
};

/** Where a checkpoint does not fit on the disk: fail, or train on without it. */
export type FullDiskPolicy =
  | 'CONTINUE'
  | 'FAIL';

/** What was expected beside what happened. */
export type Graded = {
  /** Null as long as it is not known. */
  actual?: Maybe<Scalars['Float']['output']>;
  /** Of what was expected: above 0 where it came to more. Null where one of the two is unknown. */
  errorPercent?: Maybe<Scalars['Float']['output']>;
  /** Null where nobody could tell. */
  expected?: Maybe<Scalars['Float']['output']>;
};

export type ImagePrediction = {
  /** Likeliest first; null where the image cannot be decoded. */
  classes?: Maybe<Array<ClassProbability>>;
  /** Of the file. */
  name: Scalars['String']['output'];
  /** Why it cannot be decoded. */
  problem?: Maybe<Scalars['String']['output']>;
};

export type ImageSize = {
  height: Scalars['Int']['output'];
  width: Scalars['Int']['output'];
};

export type ImageSizeInput = {
  height: Scalars['Int']['input'];
  width: Scalars['Int']['input'];
};

/** One of `path`, `uploadId` and `pretrained`. */
export type ImportCheckpointInput = {
  /** Take what matches where tensors are missing, unexpected or of another shape. */
  allowPartial?: InputMaybe<Scalars['Boolean']['input']>;
  /** The model it is meant for. Default: what the file is. */
  architecture?: InputMaybe<Architecture>;
  classes?: InputMaybe<Scalars['Int']['input']>;
  inputChannels?: InputMaybe<Scalars['Int']['input']>;
  /** Default: the file's base name. */
  name?: InputMaybe<Scalars['String']['input']>;
  /** File or folder below one of TRAINQL_CHECKPOINT_ROOTS. */
  path?: InputMaybe<Scalars['String']['input']>;
  pretrained?: InputMaybe<PretrainedName>;
  /** Of createCheckpointUpload, once the file has been PUT. */
  uploadId?: InputMaybe<Scalars['ID']['input']>;
};

export type ImportCheckpointResult = CheckpointSuccess | ConflictFailure | InvalidInputFailure | LoadRefusedFailure | NotFoundFailure;

/** The file that an imported checkpoint was made of. */
export type ImportSource = {
  file: Scalars['String']['output'];
  format: CheckpointFormat;
  layout: CheckpointLayout;
  sha256: Scalars['String']['output'];
  /** Taken off the front of every name, such as `module.`; else empty. */
  strippedPrefix: Scalars['String']['output'];
};

/** How a checkpoint's weights become a run's first ones. */
export type Initialise = {
  /** Whether the optimiser's state is taken too. */
  optimizer: Scalars['Boolean']['output'];
  /** Layers that get fresh weights. */
  reinitialise: Array<Scalars['String']['output']>;
  stem: StemAdaptation;
};

/** The weights before the first step: those of a checkpoint, or published ones. */
export type InitialiseInput = {
  checkpoint?: InputMaybe<Scalars['ID']['input']>;
  /** Also take the optimiser's state. */
  optimizer?: InputMaybe<Scalars['Boolean']['input']>;
  /** Imported first, unless it has been before. */
  pretrained?: InputMaybe<PretrainedName>;
  /** Layers that get fresh weights, such as `conv1` and `fc`. Everything else must fit. */
  reinitialise?: InputMaybe<Array<Scalars['String']['input']>>;
  /** SUM_CHANNELS: a stem of several channels is summed to the one that the dataset has. */
  stem?: InputMaybe<StemAdaptation>;
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

/** One of `path`, `uploadId` and `checkpoint`. */
export type InspectCheckpointInput = {
  /** The model it is meant for. Default: what the file is. */
  architecture?: InputMaybe<Architecture>;
  /** One that is known. */
  checkpoint?: InputMaybe<Scalars['ID']['input']>;
  classes?: InputMaybe<Scalars['Int']['input']>;
  /** Remove the upload afterwards. */
  forgetUpload?: InputMaybe<Scalars['Boolean']['input']>;
  inputChannels?: InputMaybe<Scalars['Int']['input']>;
  /** File or folder below one of TRAINQL_CHECKPOINT_ROOTS. */
  path?: InputMaybe<Scalars['String']['input']>;
  uploadId?: InputMaybe<Scalars['ID']['input']>;
};

export type InspectCheckpointResult = CheckpointInspection | ConflictFailure | InvalidInputFailure | NotFoundFailure;

export type InvalidInputFailure = Failure & {
  code: Scalars['String']['output'];
  /** Dotted path of the input field. */
  field?: Maybe<Scalars['String']['output']>;
  fix: Scalars['String']['output'];
  message: Scalars['String']['output'];
};

export type KeepBest = {
  count: Scalars['Int']['output'];
  metric: CheckpointMetric;
};

export type KeepBestInput = {
  count?: InputMaybe<Scalars['Int']['input']>;
  metric: CheckpointMetric;
};

export type KeepCheckpointResult = CheckpointSuccess | ConflictFailure | NotFoundFailure;

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
  /** The devices are kept for a run before it, to which it gives them back from then on. Null: they are its own. */
  backfilledUntil?: Maybe<Scalars['DateTime']['output']>;
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  devices: Array<Scalars['String']['output']>;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  toAttempt: Scalars['Int']['output'];
};

/** A checkpoint file does not fit the model; the report says which tensors do not. */
export type LoadRefusedFailure = Failure & {
  code: Scalars['String']['output'];
  fix: Scalars['String']['output'];
  loadReport: LoadReport;
  message: Scalars['String']['output'];
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

/** A trainer that died left part of a line, which was no event yet. */
export type LogTornEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  bytes: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  toAttempt: Scalars['Int']['output'];
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

/** A file of everything that a run has measured so far. */
export type MetricsDownload = {
  expiresAt: Scalars['DateTime']['output'];
  fileName: Scalars['String']['output'];
  format: MetricsFormat;
  includeSuperseded: Scalars['Boolean']['output'];
  kind: MetricsKind;
  /** Cursor of the last event that it covers: what the run measures later is not in it. Null: none. */
  upTo?: Maybe<Scalars['String']['output']>;
  /** Path and query on this server: GET gives the same bytes each time. */
  url: Scalars['String']['output'];
};

/** JSONL: an object a line. CSV: a line of names, then a line a row. */
export type MetricsFormat =
  | 'CSV'
  | 'JSONL';

/** What was measured at each step, or each epoch. */
export type MetricsKind =
  | 'EPOCHS'
  | 'STEPS';

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
  /** Ends a run; a running trainer writes a checkpoint first, from which the run can be resumed. */
  cancelRun: CancelRunResult;
  createCheckpointUpload: CreateCheckpointUploadResult;
  createRun: CreateRunResult;
  /** Removes its files, unless it is pinned or a run that has not ended goes on from it. */
  deleteCheckpoint: KeepCheckpointResult;
  /** The device takes no more runs; the one that it has writes a checkpoint and is queued again in its place, to go on elsewhere. */
  disableDevice: DeviceAvailabilityResult;
  /** The device takes no more runs; the one that it has goes on, and then its state is FREE. */
  drainDevice: DeviceAvailabilityResult;
  /** The device takes runs again, whether it was drained, disabled or in quarantine. */
  enableDevice: DeviceAvailabilityResult;
  /** Makes a file of a checkpoint, to be fetched. */
  exportCheckpoint: ExportCheckpointResult;
  /** Gives a URL of every step or epoch of a run, each number as it was measured. */
  exportMetrics: ExportMetricsResult;
  /** A new run made from this one: its settings with changes, the weights of one of its checkpoints, and the state of the optimiser where nothing that it belongs to is another. It trains its own epochs from step 1, and does not depend on what becomes of this run. */
  forkRun: ForkRunResult;
  /** Makes a checkpoint of a file. Strict, unless `allowPartial` says otherwise. */
  importCheckpoint: ImportCheckpointResult;
  /** Holds a queued run back at once. A running trainer writes a checkpoint and leaves: the run is PAUSING, then PAUSED, and holds no devices until it is resumed. */
  pauseRun: PauseRunResult;
  /** A pinned checkpoint is not deleted, neither by hand nor by the policy of its run. */
  pinCheckpoint: KeepCheckpointResult;
  /** The likeliest classes of images, scaled and normalised as the validation images of the checkpoint's run were. */
  predictImages: PredictImagesResult;
  /** A run that was paused, has failed or was canceled goes on as its next attempt, and so does one that is UNREACHABLE, whose silent trainer is given up: its weights end bit-equal to a run that never stopped. */
  resumeRun: ResumeRunResult;
  /** The queue is planned anew at once. */
  setRunPriority: SetRunPriorityResult;
  /** Hashes its files anew. */
  verifyCheckpoint: VerifyCheckpointResult;
};


export type MutationCancelRunArgs = {
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
  id: Scalars['ID']['input'];
};


export type MutationCreateCheckpointUploadArgs = {
  input: CheckpointUploadInput;
};


export type MutationCreateRunArgs = {
  input: CreateRunInput;
};


export type MutationDeleteCheckpointArgs = {
  id: Scalars['ID']['input'];
};


export type MutationDisableDeviceArgs = {
  name: Scalars['String']['input'];
  reason?: InputMaybe<Scalars['String']['input']>;
};


export type MutationDrainDeviceArgs = {
  name: Scalars['String']['input'];
  reason?: InputMaybe<Scalars['String']['input']>;
};


export type MutationEnableDeviceArgs = {
  name: Scalars['String']['input'];
};


export type MutationExportCheckpointArgs = {
  input: ExportCheckpointInput;
};


export type MutationExportMetricsArgs = {
  input: ExportMetricsInput;
};


export type MutationForkRunArgs = {
  id: Scalars['ID']['input'];
  input?: InputMaybe<ForkRunInput>;
};


export type MutationImportCheckpointArgs = {
  input: ImportCheckpointInput;
};


export type MutationPauseRunArgs = {
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
  id: Scalars['ID']['input'];
};


export type MutationPinCheckpointArgs = {
  id: Scalars['ID']['input'];
  pinned?: Scalars['Boolean']['input'];
};


export type MutationPredictImagesArgs = {
  input: PredictImagesInput;
};


export type MutationResumeRunArgs = {
  checkpoint?: InputMaybe<Scalars['ID']['input']>;
  devices?: InputMaybe<DevicesInput>;
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
  runId: Scalars['ID']['input'];
};


export type MutationSetRunPriorityArgs = {
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
  id: Scalars['ID']['input'];
  priority: Scalars['Int']['input'];
};


export type MutationVerifyCheckpointArgs = {
  id: Scalars['ID']['input'];
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

export type PauseReason =
  | 'DRAIN'
  | 'USER'
  | 'YIELD';

/** Its trainer takes a checkpoint and leaves. */
export type PauseRequestedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  reason: PauseReason;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

export type PauseRunResult = ConflictFailure | NotFoundFailure | PauseRunSuccess;

export type PauseRunSuccess = {
  run: Run;
};

/** It holds no devices and waits until it is resumed. */
export type PausedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  reason: PauseReason;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

/** What an estimate rests on. */
export type PlanBasis =
  /** Runs of the same model on images of the same size. */
  | 'PAST_RUNS'
  /** The FLOPs of the model, at the rate of runs of other models on such devices. */
  | 'PROFILE';

export type PlanRunResult = ConflictFailure | InvalidInputFailure | LoadRefusedFailure | NotFoundFailure | PlanRunSuccess;

export type PlanRunSuccess = {
  expectedEnd?: Maybe<Scalars['DateTime']['output']>;
  /** When it would get its devices if it were queued now. */
  expectedStart?: Maybe<Scalars['DateTime']['output']>;
  plan: RunPlan;
  /** In the queue, from 1. Null where it would start at once, and where it cannot start as things are. */
  queuePosition?: Maybe<Scalars['Int']['output']>;
  /** In words; null where it would start at once. */
  waitingFor?: Maybe<Scalars['String']['output']>;
};

/** What the engine computes in. BF16 keeps weights, sums and updates in fp32. */
export type Precision =
  | 'BF16'
  | 'FP32';

export type PredictImagesInput = {
  checkpoint: Scalars['ID']['input'];
  /** What the model sees of an image. Default: as large as the images it was trained on. */
  imageSize?: InputMaybe<ImageSizeInput>;
  /** Classes to tell of each image. */
  top?: InputMaybe<Scalars['Int']['input']>;
  /** Of createCheckpointUpload, once each image (JPEG, PNG or WebP) has been PUT; at most 256. They are forgotten afterwards. */
  uploads: Array<Scalars['ID']['input']>;
};

export type PredictImagesResult = ConflictFailure | InvalidInputFailure | NotFoundFailure | PredictImagesSuccess;

export type PredictImagesSuccess = {
  /** In the order of the uploads. */
  images: Array<ImagePrediction>;
};

/** torchvision's published weights. */
export type PretrainedName =
  | 'RESNET18_IMAGENET1K_V1'
  | 'RESNET34_IMAGENET1K_V1'
  | 'RESNET50_IMAGENET1K_V1'
  | 'RESNET50_IMAGENET1K_V2'
  | 'RESNET101_IMAGENET1K_V1'
  | 'RESNET101_IMAGENET1K_V2'
  | 'RESNET152_IMAGENET1K_V1'
  | 'RESNET152_IMAGENET1K_V2';

/** torchvision's: of 224 x 224 images in three channels and ImageNet's 1000 classes. */
export type PretrainedWeights = {
  /** Top-1 on ImageNet's validation images, as published. */
  accuracy: Scalars['Float']['output'];
  architecture: Architecture;
  classes: Scalars['Int']['output'];
  /** Name of the file that is looked for. */
  file: Scalars['String']['output'];
  /** About, as published. */
  megabytes: Scalars['Float']['output'];
  name: PretrainedName;
};

/** Its place in the queue is another one. */
export type PriorityChangedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  priority: Scalars['Int']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

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
  /** What a file is and what would come of importing it. Nothing of it is kept. */
  inspectCheckpoint: InspectCheckpointResult;
  /** What a model is made of, and the operations and memory that training it takes; nothing is started. */
  modelSummary: ModelSummaryResult;
  node?: Maybe<Node>;
  /** What a run would take and when it would start, were it created now; nothing is changed. */
  planRun: PlanRunResult;
  pretrainedWeights: Array<PretrainedWeights>;
  run?: Maybe<Run>;
  runEvent?: Maybe<RunEvent>;
  /** Newest first. */
  runs: RunConnection;
  /** Version and engine of this server. */
  server: Server;
  /** No steps for an unknown run. */
  stepMetrics: StepMetrics;
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


export type QueryInspectCheckpointArgs = {
  input: InspectCheckpointInput;
};


export type QueryModelSummaryArgs = {
  input: ModelSummaryInput;
};


export type QueryNodeArgs = {
  id: Scalars['ID']['input'];
};


export type QueryPlanRunArgs = {
  input: CreateRunInput;
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
  architecture?: InputMaybe<Architecture>;
  before?: InputMaybe<Scalars['String']['input']>;
  createdBefore?: InputMaybe<Scalars['DateTime']['input']>;
  createdFrom?: InputMaybe<Scalars['DateTime']['input']>;
  dataset?: InputMaybe<Scalars['String']['input']>;
  device?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  forkedFrom?: InputMaybe<Scalars['ID']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  name?: InputMaybe<Scalars['String']['input']>;
  states?: InputMaybe<Array<RunState>>;
};


export type QueryStepMetricsArgs = {
  attempt?: InputMaybe<Scalars['Int']['input']>;
  fromStep?: InputMaybe<Scalars['Int']['input']>;
  includeSuperseded?: Scalars['Boolean']['input'];
  maxPoints?: Scalars['Int']['input'];
  runId: Scalars['ID']['input'];
  toStep?: InputMaybe<Scalars['Int']['input']>;
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

/** Its trainer is heard of again. */
export type ReachableEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  toAttempt: Scalars['Int']['output'];
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
  /** A fault of the engine or of a device by which the trainer died: a signal or an error code. */
  fault?: Maybe<Scalars['String']['output']>;
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  toAttempt: Scalars['Int']['output'];
};

/** The replica that had stalled moves again. */
export type ReplicaMovedEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  replica: Scalars['Int']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  toAttempt: Scalars['Int']['output'];
};

/** A replica that does not move while its trainer lives. */
export type ReplicaStall = {
  device: Scalars['String']['output'];
  replica: Scalars['Int']['output'];
  /** When it was found to stand still. */
  since: Scalars['DateTime']['output'];
  /** Global steps that it has done. */
  step: Scalars['Int']['output'];
};

/** The trainer lives, and one of its replicas does not move. */
export type ReplicaStalledEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  device: Scalars['String']['output'];
  replica: Scalars['Int']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  stalledSeconds: Scalars['Float']['output'];
  /** Global steps that the replica has done. */
  step: Scalars['Int']['output'];
  toAttempt: Scalars['Int']['output'];
};

/** A run that was paused, had failed or been canceled, or was given up as unreachable, is queued again. */
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

/** What is done about an attempt that ended by what may pass. */
export type Retry = {
  /** Before the first new attempt; twice as long before each next one. */
  backoffSeconds: Scalars['Float']['output'];
  /** Trainers started before somebody has to ask again, the first included. */
  maxAttempts: Scalars['Int']['output'];
  /** A replica that does not move for so long ends the attempt; null: it is only told of. */
  stalledSeconds?: Maybe<Scalars['Float']['output']>;
  /** A trainer that is silent for so long is given up. */
  unreachableSeconds: Scalars['Float']['output'];
};

/** What is done about an attempt that ended by what may pass: a killed trainer, a full disk, silence. */
export type RetryInput = {
  /** Before the first new attempt; twice as long before each next one. */
  backoffSeconds?: InputMaybe<Scalars['Float']['input']>;
  /** Trainers started before somebody has to ask again, the first included. */
  maxAttempts?: InputMaybe<Scalars['Int']['input']>;
  /** A replica that does not move for so long ends the attempt. Default: it is only told of. */
  stalledSeconds?: InputMaybe<Scalars['Float']['input']>;
  /** A trainer that is silent for so long is given up. */
  unreachableSeconds?: InputMaybe<Scalars['Float']['input']>;
};

/** An attempt ended by what may pass; the run is queued again. */
export type RetryScheduledEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** That it goes on from; null: it has none, and starts over. */
  checkpoint?: Maybe<Checkpoint>;
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  failure: RunFailure;
  /** The next attempt does not start before. */
  notBefore: Scalars['DateTime']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
};

export type Run = Node & {
  accumulationSteps: Scalars['Int']['output'];
  /** What may be asked of it as it is now; nothing else is accepted. */
  allowedActions: Array<RunAction>;
  architecture: Architecture;
  attempt: Scalars['Int']['output'];
  /** In order; none before its first lease. */
  attempts: Array<RunAttempt>;
  augmentation?: Maybe<Augmentation>;
  /** It has devices that are kept for a run before it, to which it gives them back from then on. */
  backfilledUntil?: Maybe<Scalars['DateTime']['output']>;
  checkpointPolicy: CheckpointPolicy;
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
  /** Of a run that is queued, starting or under way, from its own images/s once there are some; null where nobody can tell. A time that has passed: it takes longer than was expected. */
  expectedEnd?: Maybe<Scalars['DateTime']['output']>;
  /** Of a queued run, where the runs before it are expected to end. */
  expectedStart?: Maybe<Scalars['DateTime']['output']>;
  failure?: Maybe<RunFailure>;
  finishedAt?: Maybe<Scalars['DateTime']['output']>;
  /** The run that it was made from; null: none, or it is gone. */
  forkedFrom?: Maybe<Run>;
  /** Of the run that it was forked from, which may be gone. */
  forkedFromId?: Maybe<Scalars['ID']['output']>;
  /** The runs that were made from it, oldest first. */
  forks: Array<Run>;
  globalBatch: Scalars['Int']['output'];
  id: Scalars['ID']['output'];
  /** Null: the dataset's own. */
  imageSize?: Maybe<ImageSize>;
  /** Null: it began with random weights. */
  initialise?: Maybe<Initialise>;
  /** Null: it began with random weights. */
  initialisedFrom?: Maybe<Checkpoint>;
  labelSmoothing: Scalars['Float']['output'];
  /** Cursor of its newest event; null before the first. */
  lastCursor?: Maybe<Scalars['String']['output']>;
  learningRate: Scalars['Float']['output'];
  /** What was taken from the checkpoint it was initialised from; null before it started, and without one. */
  loadReport?: Maybe<LoadReport>;
  name?: Maybe<Scalars['String']['output']>;
  /** It is tried again, and not before. */
  notBefore?: Maybe<Scalars['DateTime']['output']>;
  onCorruptImage: CorruptImagePolicy;
  optimizer: Optimizer;
  parameters?: Maybe<Scalars['BigInt']['output']>;
  /** Who has it pausing or paused. */
  pauseReason?: Maybe<PauseReason>;
  /** What was expected of it when it was created; null where nobody could tell. */
  plan?: Maybe<RunPlan>;
  precision: Precision;
  /** The highest is served first. */
  priority: Scalars['Int']['output'];
  progress: RunProgress;
  /** Of a queued run, from 1. Null where it cannot start as things are, whoever is before it. */
  queuePosition?: Maybe<Scalars['Int']['output']>;
  retry: Retry;
  schedule: Schedule;
  seed: Scalars['BigInt']['output'];
  shards: Scalars['Int']['output'];
  /** A replica that does not move; null: all do. */
  stall?: Maybe<ReplicaStall>;
  startedAt?: Maybe<Scalars['DateTime']['output']>;
  state: RunState;
  /** When the state was last another one. */
  stateSince: Scalars['DateTime']['output'];
  stepMetrics: StepMetrics;
  syncBatchNorm: Scalars['Boolean']['output'];
  /** Attempts since a user last asked for it; `retry.maxAttempts` bounds them. */
  tries: Scalars['Int']['output'];
  /** Another one whenever something has happened that a decision about the run may rest on. Give it as `expectedVersion`. */
  version: Scalars['Int']['output'];
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


export type RunStepMetricsArgs = {
  attempt?: InputMaybe<Scalars['Int']['input']>;
  fromStep?: InputMaybe<Scalars['Int']['input']>;
  includeSuperseded?: Scalars['Boolean']['input'];
  maxPoints?: Scalars['Int']['input'];
  toStep?: InputMaybe<Scalars['Int']['input']>;
};

/** What a user may ask of a run. */
export type RunAction =
  | 'CANCEL'
  | 'FORK'
  | 'PAUSE'
  | 'RESUME'
  | 'SET_PRIORITY';

/** One trainer's turn at a run. */
export type RunAttempt = {
  deviceNames: Array<Scalars['String']['output']>;
  /** Of the engine or a device, by which its trainer died: a signal or an error code. */
  fault?: Maybe<Scalars['String']['output']>;
  leasedAt: Scalars['DateTime']['output'];
  /** From 1. */
  number: Scalars['Int']['output'];
  /** Null: it holds its devices. */
  releasedAt?: Maybe<Scalars['DateTime']['output']>;
  /** Global steps that were done before it. What earlier attempts measured behind them is superseded. */
  startStep?: Maybe<Scalars['Int']['output']>;
  /** Null: it has not begun to train, or never did. */
  startedAt?: Maybe<Scalars['DateTime']['output']>;
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

export type RunEventsItem = CancelRequestedEvent | CheckpointDamagedEvent | CheckpointDeletedEvent | CheckpointEvent | CheckpointFailedEvent | CheckpointPinnedEvent | CheckpointsRemovedEvent | DecodingEvent | EpochEvent | FailedEvent | FinishedEvent | InitialisedEvent | InvalidInputFailure | LeasedEvent | LogTornEvent | NotFoundFailure | PauseRequestedEvent | PausedEvent | PriorityChangedEvent | QueuedEvent | ReachableEvent | ReleasedEvent | ReplicaMovedEvent | ReplicaStalledEvent | ResumeRequestedEvent | RetryScheduledEvent | RunEndedEvent | StartedEvent | StepEvent | StoppedEvent | UnreachableEvent | YieldedEvent;

export type RunFailure = {
  code: Scalars['String']['output'];
  fix: Scalars['String']['output'];
  message: Scalars['String']['output'];
  nonFinite: Scalars['Boolean']['output'];
  step?: Maybe<Scalars['Int']['output']>;
};

/** What was expected of a run, held against what happened. */
export type RunGrade = {
  /** Devices that it got first. */
  deviceNames: Array<Scalars['String']['output']>;
  /** Known once it has succeeded; not of a run that took several attempts. */
  durationSeconds: Graded;
  /** The median of its latest epochs. */
  imagesPerSecond: Graded;
  /** From its creation until it first got devices. */
  waitSeconds: Graded;
};

/** What a run computes, and what is expected of it before it is queued. */
export type RunPlan = {
  /** The basis in words, or why nothing can be told. */
  basedOn: Scalars['String']['output'];
  basis?: Maybe<PlanBasis>;
  /** Devices that it was to get; empty where nobody could tell. */
  deviceNames: Array<Scalars['String']['output']>;
  /** From its first step to its end, validation and checkpoints included. */
  durationSeconds?: Maybe<Expectation>;
  /** FLOPs of one image in a training step, forward and backward. Null where the size of the images is known only once they are opened. */
  flopsPerImage?: Maybe<Scalars['BigInt']['output']>;
  /** Null of a run that is not created, and before it has got devices. */
  grade?: Maybe<RunGrade>;
  /** Of training, on the devices that it was to get. Null where nothing is known to tell by. */
  imagesPerSecond?: Maybe<Expectation>;
  /** Bytes for all devices together, with weights and optimizer state, which they share. */
  memoryBytes?: Maybe<Scalars['BigInt']['output']>;
  /** Bytes that the native engine takes for each device. Null where the size of the images is known only once they are opened, and for the engine TFJS. */
  memoryBytesPerDevice?: Maybe<Scalars['BigInt']['output']>;
  parameters: Scalars['BigInt']['output'];
  /** Of all epochs. */
  steps: Scalars['Int']['output'];
  stepsPerEpoch: Scalars['Int']['output'];
  /** Until it was to get them; null where nobody could tell. */
  waitSeconds?: Maybe<Scalars['Float']['output']>;
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
  | 'PAUSED'
  | 'PAUSING'
  | 'QUEUED'
  | 'RUNNING'
  | 'STARTING'
  | 'SUCCEEDED'
  | 'UNREACHABLE';

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

export type SetRunPriorityResult = ConflictFailure | InvalidInputFailure | NotFoundFailure | SetRunPrioritySuccess;

export type SetRunPrioritySuccess = {
  run: Run;
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

export type StemAdaptation =
  | 'AS_IS'
  | 'SUM_CHANNELS';

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

/** Steps of a run in the order they were taken. Where there are more than asked for, consecutive ones share a bucket, and of each bucket these are kept as they were: the smallest and the largest loss, the last step, and the first loss that is not finite. */
export type StepMetrics = {
  points: Array<StepPoint>;
  /** How many there are before thinning. */
  steps: Scalars['Int']['output'];
  thinned: Scalars['Boolean']['output'];
};

/** What one step measured. */
export type StepPoint = {
  at: Scalars['DateTime']['output'];
  attempt: Scalars['Int']['output'];
  epoch: Scalars['Int']['output'];
  imagesPerSecond: Scalars['Float']['output'];
  learningRate: Scalars['Float']['output'];
  /** Null where it was not finite. */
  loss?: Maybe<Scalars['Float']['output']>;
  nonFinite: Scalars['Boolean']['output'];
  /** Of the run, from 1. */
  step: Scalars['Int']['output'];
  /** A later attempt has trained this step anew. */
  superseded: Scalars['Boolean']['output'];
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

/** Nothing is heard of its trainer. It may come back. */
export type UnreachableEvent = RunEvent & {
  at: Scalars['DateTime']['output'];
  /** Attempt that wrote it; 0 for the server. */
  attempt: Scalars['Int']['output'];
  /** Position in the run's event stream; give it as `after` to continue behind this event. */
  cursor: Scalars['String']['output'];
  runId: Scalars['ID']['output'];
  /** Without gaps from 1 within an attempt. */
  seq: Scalars['BigInt']['output'];
  silentSeconds: Scalars['Float']['output'];
  toAttempt: Scalars['Int']['output'];
};

export type VerifyCheckpointResult = CheckpointVerification | ConflictFailure | InvalidInputFailure | NotFoundFailure;

/** It gave its devices to a run that was before it, and is queued again in its own place. */
export type YieldedEvent = RunEvent & {
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
