// Arguments of the compute kernels and the table of them that one instruction set offers.
//
// Activations are [pixel][image][channel]: a *row* is the channels of one pixel of one image, and rows of one
// pixel lie one after another. Channels are padded with zeros to whole panels. Activations and their gradients are
// elements of `Kernels::elementBytes` (fp32, or bfloat16), behind void pointers; everything else is fp32. All strides
// count the values of what they stride over.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trainql {

// One position of a filter: where its weights lie and how far its input pixel is from the row's base pixel.
struct Tap {
  std::int32_t slot;
  std::int32_t pixelDelta;
};

// At most 16 rows of a group whose input lies at one distance, from one image of the group's `pixel`th pixel on: images
// (and those of pixels side by side) where step is 0, else pixels of one image, `step` input pixels apart.
struct RowPiece {
  std::int32_t pixel, image, rows, step;
};

// Output pixels that share one list of valid taps; taps that would meet only padding are not in it.
struct RowGroup {
  const std::int32_t* basePixel;  // (pixels): may be negative, only base + delta is ever read
  const std::int32_t* outPixel;   // (pixels)
  int pixels;
  const Tap* taps;
  int tapCount;
  const RowPiece* pieces = nullptr;  // all rows, cut for tile registers, where elements are multiplied in those
  int pieceCount = 0;
};

// What becomes of a value before it is stored: [relu](value * scale + shift [+ skip]). `skip` lies as the output does.
struct Finish {
  const float* scale;  // (channels), or null: the value is stored as it is
  const float* shift;
  const void* skip;  // null, or added before the ReLU
  bool relu;
  // Of `batchNormForward` alone. Null, or skip * skipScale + skipShift is added.
  const float* skipScale = nullptr;
  const float* skipShift = nullptr;
};

// Memory that a kernel fetches into L2 while it computes, because what comes after it reads that.
struct Ahead {
  const void* at;
  std::ptrdiff_t bytes;    // may be 0
  std::ptrdiff_t row = 0;  // 0: it lies in one piece; else so many bytes of each row, and from one row to the next
};

// Called with the rows of each block once all their channels are there, from the first row to the last.
struct RowsMade {
  void (*call)(const void* receiver, int rowBegin, int rowEnd) = nullptr;  // or null
  const void* receiver = nullptr;
};

// out[row] (+)= sum over taps t of in[base(row) + delta(t)] (1, depth) x weights[slot(t)] (depth, channels).
// Forward convolutions, their data gradients (with transposed weights) and linear layers are all this product.
// What input, weights and output hold is the kernel's: see `Kernels`.
struct RowProduct {
  const RowGroup* groups;
  int groupCount;
  int batch;                    // images
  int depth;                    // values read per tap
  const std::int32_t* offsets;  // null: contiguous; else (depth) offsets from the row's base, one tap only
  std::ptrdiff_t inRow, outRow;
  std::ptrdiff_t inPixel;  // of input, from pixel to pixel; for products in tile registers
  std::ptrdiff_t inImage;  // likewise from image to image
  const void* input;
  const void* weights;  // [slot][panel][depth][panel width]
  std::ptrdiff_t slotStride, panelStride;
  void* output;
  const float* bias;  // null, or (channels)
  bool accumulate;    // add to what output holds
  Finish finish;      // where output holds elements
  RowsMade made;      // of a product of one group, over all panels and tiles at once
};

// inputGradient[pixel] (channels, images) = sum over taps t of weights[slot(t)] (channels, depth) x outputGradient[base + delta(t)]
// (depth, images): a data gradient with images and channels changing places. Channels and depth are whole panels, images
// whole registers.
struct TurnedProduct {
  const RowGroup* groups;
  int groupCount;
  int batch;     // images
  int channels;  // of input
  int depth;     // channels of output
  const float* weights;  // the parameters: [slot][panel of depth][channel][panel width]
  std::ptrdiff_t slotStride, panelStride;
  const float* outputGradient;  // [pixel][panel of images][channel][panel width]
  float* inputGradient;         // likewise
  std::ptrdiff_t outPixelStride, inPixelStride;
};

// Pixels (input, output) that one tap connects, in the order of their output pixels.
struct TapPixels {
  std::int32_t slot;
  const std::int32_t* inPixel;
  const std::int32_t* outPixel;
  const std::int32_t* blockBegin;  // (blocks + 1)
};

// gradient[slot(t)] (depth, channels) (+)= sum over one block's pixels and all images of in^T (depth, 1) x dOut (1, channels).
struct WeightGradient {
  const TapPixels* taps;
  int tapCount;
  int block;
  int batch;  // rows of one pixel: images, or pairs of them
  int depth;
  const std::int32_t* offsets;  // as in RowProduct
  std::ptrdiff_t inRow, outRow;
  const void* input;            // pixel 0
  const void* outputGradient;   // pixel 0
  float* gradient;
  std::ptrdiff_t slotStride, panelStride;
  bool add;  // add to what gradient holds
  Ahead nextInput, nextOutputGradient;  // of the next block, or of the next product
};

// Where two rows of a line begin that are laid side by side; below 0: zeros.
struct RowPair {
  std::int32_t first, second;
};

// Lines of a map as a weight gradient in tile registers reads them, rows in pairs as in PairedRows: [line][pair][channel]
// (`packDeep`), or [line][channel][pair] (`packAcross`).
struct PackedLines {
  const void* map;       // line 0
  std::ptrdiff_t line;   // of the map, from one to the next
  int channels;          // of a row, whole panels
  const RowPair* pairs;  // (pairCount), alike in every line
  int pairCount;         // whole registers
  std::uint32_t* packed; // line `firstLine`
  int firstLine;
  std::ptrdiff_t lineStride;
  std::ptrdiff_t rowStride;  // from one pair to the next, or from one channel to the next
};

// Output lines that one tap connects with input lines, and what it connects of a line: `steps` registers of pairs.
struct TapLines {
  std::int32_t slot;
  std::int32_t lineBegin, lineEnd;
  std::int32_t inLine;           // that output line 0 would meet
  std::int32_t inPair, outPair;  // where that begins in a packed line
  std::int32_t steps;
};

// gradient[slot(t)] (depth, channels) (+)= sum over lines lineBegin … lineEnd of in^T x dOut.
struct LinedGradient {
  const TapLines* taps;
  int tapCount, panels;
  int lineBegin, lineEnd;
  int stride;
  int depth;
  const std::uint32_t* input;           // packed across, line `firstInLine`
  int firstInLine;
  std::ptrdiff_t inLine, inChannel;     // strides
  const std::uint32_t* outputGradient;  // packed deep, line `lineBegin`
  std::ptrdiff_t outLine, outPair;      // strides
  float* gradient;
  std::ptrdiff_t slotStride, panelStride;
  bool add;  // add to what gradient holds
};

// Rows of two images side by side, value by value: (r0[0], r1[0], r0[1], …). The last row of an odd batch has zeros.
struct PairedRows {
  const void* map;     // pixel 0
  int batch;
  std::ptrdiff_t row;  // of map
  int channels;        // padded
  std::uint32_t* paired;      // [pixel - firstPixel][pair][channel]
  std::ptrdiff_t pairedRow;   // pairs of values
  int firstPixel;
};

// A (rows, channels) view with a row stride.
struct BatchNormForward {
  const void* input;
  void* output;
  Finish finish;
  std::ptrdiff_t row;
  int channels;  // padded
};

// Which gradients a ReLU let through: where output > 0, or, with nothing added before it, where scale * input + shift > 0,
// which is the same and saves reading the output.
struct ReluMask {
  enum class By { none, output, input } by;
  const void* output;
  const float* scale;
  const float* shift;
};

// Sums over rows by channel, (2, stride), in double precision.
struct ColumnTotals {
  double* at;
  int stride;
};

struct BatchNormReduce {
  const void* outputGradient;
  ReluMask mask;
  const void* input;
  const float* mean;
  void* skipGradient;  // null, or receives the masked gradient
  bool skipAccumulate;
  std::ptrdiff_t row;
};

// dInput (+)= a * maskedGradient + b * (input - mean) + c
struct BatchNormBackward {
  const void* outputGradient;
  ReluMask mask;
  const void* input;
  const float* mean;
  const float* a;
  const float* b;
  const float* c;
  void* inputGradient;
  bool accumulate;
  std::ptrdiff_t row;
  int channels;
};

struct MaxPool {
  const std::int32_t* windows;  // (outPixels, taps): input pixel or -1
  int taps;
  int batch;
  std::ptrdiff_t row;
  int channels;  // padded
  Finish finish = {};  // forward: of the values that are compared, without a skip
};

// A map whose pixels are averaged into one row an image.
struct MapRows {
  int pixels, batch;
  int channels;  // padded
  std::ptrdiff_t row, outputRow;
};

// The leaves of the gradient tree at one parameter range: neighbours are added first.
struct GradientLeaves {
  const float* const* leaves;
  int count;    // power of two; 0 where the gradient is zero (filter taps that only meet padding)
  float scale;  // multiplies the sum: below 1 where the gradient's norm is clipped
  std::size_t origin;  // the parameter that the leaves begin with
};

struct SgdUpdate {
  float* parameters;
  float* momentumBuffer;
  GradientLeaves gradient;
  float learningRate, momentum, weightDecay;
  bool nesterov;
  bool momentumPastCaches;  // writes it to memory itself: the same bits, which other cores see once the call has returned
};

struct AdamUpdate {
  float* parameters;
  float* average;
  float* squareAverage;
  GradientLeaves gradient;
  float stepSize;        // learning rate / (1 - beta1^t)
  float rootCorrection;  // 1 / sqrt(1 - beta2^t)
  float beta1, beta2, epsilon;
  float weightDecay;     // added to the gradient (Adam)
  float keep;            // multiplies parameters first: 1 - learning rate x decay (AdamW), else 1
};

// Channels that the Winograd kernels take at most.
constexpr int winogradMostChannels = 4096;

// The 4x4 output tiles of a map, as rows (tile, image); `rows` of them from `firstRow` on are worked on together.
struct WinogradTiles {
  int batch;
  int height, width;   // of the map, input and output alike
  int across;          // tiles in one line
  int channels;        // padded
  std::ptrdiff_t row;  // of the map
  std::ptrdiff_t transformedRow;
  std::ptrdiff_t plane;  // from one of the 36 to the next
  int firstRow, rows;
};

// out (rows, vectors) = left (rows, depth) x right (depth, vectors), a vector being so many columns as a register holds, and
// two of them a panel. The depth of left lies in blocks.
struct PlaneProduct {
  int rows, depth, vectors;
  int depthBlock;
  const float* left;
  std::ptrdiff_t leftRow, leftBlock;
  const float* right;
  std::ptrdiff_t rightStep, rightVector, rightPanel;
  float* out;
  std::ptrdiff_t outRow, outVector, outPanel;
  bool resume;  // the chains begin with what out holds
  Ahead next;   // in one piece
};

// A plane whose rows become columns. Columns lie in blocks so many values wide, on both sides.
struct TurnedPlane {
  int rows, columns;
  const float* from;
  std::ptrdiff_t fromRow;
  int fromWidth;
  std::ptrdiff_t fromBlock;
  float* to;
  std::ptrdiff_t toRow;
  int toWidth;
  std::ptrdiff_t toBlock;
  bool add = false;  // to what is there
};

// The 36 planes are 6 lines of 6. Transformed weights are made for two lines at a time, which share their arithmetic, and
// lie in this order.
constexpr int winogradPairs = 3;
constexpr int winogradLines[winogradPairs][2] = {{0, 5}, {1, 2}, {3, 4}};
constexpr int winogradPairPlanes = 12;
// Which of the 36 comes at a place of that order.
constexpr int winogradPlane(int place) {
  return winogradLines[place / winogradPairPlanes][place / 6 % 2] * 6 + place % 6;
}

struct WinogradWeights {
  float* transformed;    // of pair `pairBegin`
  std::ptrdiff_t plane;  // from one of them to the next
  int pairBegin, pairEnd;
};

// Rows that are summed in single precision before they join a double-precision total.
constexpr int sumBlock = 32;

struct Kernels {
  const char* name;
  int vector;    // floats in a register
  int panel;     // output channels a product computes at once
  int tileRows;  // rows a product computes at once
  int elementBytes;  // of activations and their gradients: 4, or 2 (bfloat16)
  int depthStep;     // pairs that one step of a product takes: copies of weights are filled up to whole steps

  int (*elementTiles)(const RowProduct&);  // of rowProduct
  // Elements to elements. With 2-byte elements the weights are paired copies (`pairWeights`), depth counts pairs and
  // strides of weights count pairs; else they are the parameters themselves.
  void (*rowProduct)(const RowProduct&, int panelBegin, int panelEnd, int tileBegin, int tileEnd);
  int (*rowTiles)(const RowProduct&);  // of the products of fp32
  // fp32 images and weights to elements.
  void (*imageProduct)(const RowProduct&, int panelBegin, int panelEnd, int tileBegin, int tileEnd);
  int (*gradientTiles)(int depth);
  int (*gradientTileBegin)(int depth, int tile);  // its first value of the depth
  // How many partial sums a weight gradient takes of so many pixels of one block: added to what the gradient holds one
  // after another, so only a single one may be added to another shard's.
  int (*gradientSpans)(int pixels, int batch);
  // Elements; with 2-byte ones both sides are paired rows. Null where `linedGradient` is there.
  void (*weightGradient)(const WeightGradient&, int panelBegin, int panelEnd, int tileBegin, int tileEnd);
  // fp32 images, elements.
  void (*imageGradient)(const WeightGradient&, int panelBegin, int panelEnd, int tileBegin, int tileEnd);
  void (*floatGradient)(const WeightGradient&, int panelBegin, int panelEnd, int tileBegin, int tileEnd);
  // Where elements are multiplied in tile registers, else null; parts are (panel, tap, block of the depth).
  int (*linedParts)(const LinedGradient&);
  void (*linedGradient)(const LinedGradient&, int partBegin, int partEnd);
  void (*packDeep)(const PackedLines&, int lineBegin, int lineEnd);
  void (*packAcross)(const PackedLines&, int lineBegin, int lineEnd);
  // With 2-byte elements only, else null.
  void (*pairRows)(const PairedRows&, int pixelBegin, int pixelEnd);
  // [in][panel width] of one panel to pairs along in: [in / 2][panel width][2] of bfloat16, then zeros to a whole depthStep
  void (*pairWeights)(const float* from, std::uint32_t* to, int inChannels);
  // [in][panel width of out] -> [out][panel width of in], of at most one panel each; further columns are zero
  void (*transposeBlock)(const float* from, float* to, int ins, int outs);
  // the same to pairs along out: [out / 2][panel width][2], then zeros to a whole depthStep
  void (*pairTransposedBlock)(const float* from, std::uint32_t* to, int ins, int outs);

  // Winograd F(4x4, 3x3) for padding 1 and stride 1; transformed data is [36][rows][channels], begin and end count
  // rows from firstRow. Output: map (+)= transformed, finished; OutputGradient is its adjoint, not finished.
  // Input is finished, without a skip, before it is transformed.
  void (*winogradInput)(const WinogradTiles&, const void* map, const Finish&, float* transformed, int begin, int end);
  void (*winogradOutput)(const WinogradTiles&, const float* transformed, void* map, bool accumulate,
                         const Finish&, int begin, int end);
  void (*winogradOutputGradient)(const WinogradTiles&, const void* map, float* transformed, int begin, int end);
  // Weights of 9 taps to the planes of some pairs of lines (`winogradLines`), over floats begin … end of a tap; the gradient
  // goes the other way, from all 36 in their own order.
  void (*winogradWeights)(const float* const* taps, const WinogradWeights&, std::size_t begin, std::size_t end);
  // fp32 alone. Tiles are of input channels.
  int (*turnedTiles)(const TurnedProduct&);
  void (*turnedProduct)(const TurnedProduct&, int tileBegin, int tileEnd);
  void (*planeProduct)(const PlaneProduct&);
  void (*turnPlane)(const TurnedPlane&);
  void (*winogradWeightGradient)(const float* transformed, std::ptrdiff_t plane, float* const* taps, bool add,
                                 std::size_t begin, std::size_t end);

  // Totals may be added up by ranges of rows, in order, each but the last a multiple of `sumBlock`, to the same bits.
  // Totals of x - x[row 0] and of its square.
  void (*addMoments)(const void* input, std::ptrdiff_t row, int rowBegin, int rowEnd, int channelBegin, int channelEnd,
                     ColumnTotals);
  // Mean and biased variance of `rows` rows by those totals.
  void (*moments)(const void* input, int rows, int channelBegin, int channelEnd, ColumnTotals, float* mean, float* variance);
  void (*columnSums)(const void* input, std::ptrdiff_t row, int rows, int channelBegin, int channelEnd, float* sums);
  void (*batchNormForward)(const BatchNormForward&, int rowBegin, int rowEnd);
  // Totals of the masked gradient, and of it times (input - mean).
  void (*batchNormReduce)(const BatchNormReduce&, int rowBegin, int rowEnd, int channelBegin, int channelEnd, ColumnTotals);
  void (*batchNormBackward)(const BatchNormBackward&, int rowBegin, int rowEnd);
  void (*maxPoolForward)(const MaxPool&, const void* input, void* output, std::uint8_t* chosen, int pixelBegin,
                         int pixelEnd);
  // windows here: (inPixels, taps) of output pixels whose window holds the input pixel at that tap, or -1
  void (*maxPoolBackward)(const MaxPool&, const void* outputGradient, const std::uint8_t* chosen,
                          void* inputGradient, bool accumulate, int pixelBegin, int pixelEnd);
  void (*averageForward)(const MapRows&, const void* input, void* output, int imageBegin, int imageEnd);
  void (*averageBackward)(const MapRows&, const void* outputGradient, void* inputGradient, bool accumulate,
                          int pixelBegin, int pixelEnd);
  // y = a + b (b may be null), with ReLU where asked
  void (*addRelu)(const void* a, const void* b, void* y, std::size_t count, bool relu);
  // dx (+)= dy where mask > 0 (mask may be null)
  void (*passGradient)(const void* dy, const void* mask, void* dx, std::size_t count, bool accumulate);
  // Elements to fp32 and back; counts are multiples of the vector width.
  void (*widen)(const void* from, float* to, std::size_t count);
  void (*narrow)(const float* from, void* to, std::size_t count);
  void (*addTo)(float* sum, const float* term, std::size_t count);
  void (*sumLeaves)(GradientLeaves, std::size_t begin, std::size_t end, float* sum);
  double (*sumSquares)(GradientLeaves, std::size_t begin, std::size_t end);
  // One step of the parameters from one multiple of the vector width to another; the idle ones take several steps without a
  // gradient in one pass, to the same bits however they are cut.
  void (*sgd)(const SgdUpdate&, std::size_t begin, std::size_t end);
  void (*sgdIdle)(const SgdUpdate* steps, int count, std::size_t begin, std::size_t end);
  void (*adam)(const AdamUpdate&, std::size_t begin, std::size_t end);
  void (*adamIdle)(const AdamUpdate* steps, int count, std::size_t begin, std::size_t end);
};

enum class Precision { fp32, bf16 };

// Whether this machine and TRAINQL_ISA allow bf16: it needs avx512_bf16.
bool supportsBf16();
// The best instruction set of this machine; TRAINQL_ISA=avx512|avx2|portable asks for another it has. In bf16 the best is
// amx_bf16, then avx512_bf16, which avx512 asks for.
// @throws std::invalid_argument where the precision or the set asked for is not there.
const Kernels& bestKernels(Precision = Precision::fp32);

const Kernels& portableKernels();
#ifdef TRAINQL_X86
const Kernels& avx2Kernels();
const Kernels& avx512Kernels();
#endif
#ifdef TRAINQL_HAS_BF16
const Kernels& avx512Bf16Kernels();
#endif
#ifdef TRAINQL_HAS_AMX
const Kernels& amxBf16Kernels();
#endif

}  // namespace trainql
