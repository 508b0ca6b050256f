// The weight gradients of convolutions: values of the input times rows of the output's gradient. Each sum is one chain too:
// blocks, then pixels, then images.
#pragma once

namespace trainql::TRAINQL_ISA {

// Rows whose output gradients stay near while the depth is worked through.
constexpr int spanRows = 256;
// How many rows ahead a tile's input is fetched from L2.
constexpr int soonRows = 8;

static int gradientSpans(int pixels, int batch) { return std::max(1, std::min(pixels, pixels * batch / spanRows)); }

// Pixels of a tap that lie at one distance from each other, in the input and in the output.
struct PixelRun {
  std::int32_t in, out, count;
  std::int32_t inStep, outStep;
};

// The pixels that a tile sums over at a time.
struct PixelSpan {
  PixelRun runs[2 * spanRows];  // more pixels than that are more than one span
  int count = 0;
  const int rows;
  const bool add;  // to what the gradient holds

  PixelSpan(const TapPixels& tap, int begin, int end, int batch, bool adds) : rows((end - begin) * batch), add(adds) {
    for (int p = begin; p < end;) {
      const bool isLast = p + 1 == end;
      PixelRun run{tap.inPixel[p], tap.outPixel[p], 1, isLast ? 1 : tap.inPixel[p + 1] - tap.inPixel[p],
                   isLast ? 1 : tap.outPixel[p + 1] - tap.outPixel[p]};
      for (p++; p < end && tap.inPixel[p] - tap.inPixel[p - 1] == run.inStep && tap.outPixel[p] - tap.outPixel[p - 1] == run.outStep; p++) {
        run.count++;
      }
      runs[count++] = run;
    }
  }
};

// A function of its own: inlined, its sums would compete with the loops around it for registers.
template <class Step, class Dy, int M, bool Gather>
__attribute__((noinline)) static void gradientTile(const WeightGradient& a, const PixelSpan& span, int depthBegin, int n,
                                                   Fetch fetch, float* out) {
  Vec acc[M][2];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) acc[m][0] = acc[m][1] = Vec{};
  std::ptrdiff_t at[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) at[m] = Gather ? a.offsets[depthBegin + m] : depthBegin + m;

  const std::ptrdiff_t inPixel = a.batch * a.inRow, outPixel = a.batch * a.outRow;
  for (const PixelRun* run = span.runs; run < span.runs + span.count; run++) {
    const auto* x = static_cast<const typename Step::Value*>(a.input) + run->in * inPixel;
    const Dy* dy = static_cast<const Dy*>(a.outputGradient) + run->out * outPixel + n * panel;
    if (!Gather) x += depthBegin;
    // Pixels side by side are as one with more images.
    const bool inOne = run->inStep == 1 && run->outStep == 1;
    const int pixels = inOne ? 1 : run->count, rows = inOne ? run->count * a.batch : a.batch;
    const std::ptrdiff_t inGap = (run->inStep - 1) * inPixel, outGap = (run->outStep - 1) * outPixel;
    for (int p = 0; p < pixels; p++) {
      for (int row = 0; row < rows; row++) {
        fetch.next();
        // Of a row's two lines the tile before has had the first.
        if (!Gather) __builtin_prefetch(x + soonRows * a.inRow + M - 1, 0, 3);
        const auto b0 = rowValues(dy), b1 = rowValues(dy + V);
#pragma GCC unroll 16
        for (int m = 0; m < M; m++) {
          const auto v = Step::value(Gather ? x[at[m]] : x[m]);
          acc[m][0] = Step::add(acc[m][0], v, b0);
          acc[m][1] = Step::add(acc[m][1], v, b1);
        }
        x += a.inRow;
        dy += a.outRow;
      }
      x += inGap;
      dy += outGap;
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) {
    float* row = out + m * panel;
    if (span.add) {
      store(row, load(row) + acc[m][0]);
      store(row + V, load(row + V) + acc[m][1]);
    } else {
      store(row, acc[m][0]);
      store(row + V, acc[m][1]);
    }
  }
}

static int gradientTiles(int depth) { return ceilDiv(depth, tileRows); }
static int gradientTileBegin(int depth, int tile) { return partBegin(depth, gradientTiles(depth), tile); }

template <class Step, class Dy>
static void weightGradient(const WeightGradient& a, int panelBegin, int panelEnd, int tileBegin, int tileEnd) {
  const int tiles = gradientTiles(a.depth), parts = (panelEnd - panelBegin) * a.tapCount;
  for (int n = panelBegin; n < panelEnd; n++) {
    for (int t = 0; t < a.tapCount; t++) {
      const TapPixels& tap = a.taps[t];
      float* const panelGradient = a.gradient + tap.slot * a.slotStride + n * a.panelStride;
      const int from = tap.blockBegin[a.block], to = tap.blockBegin[a.block + 1];
      const int spans = gradientSpans(to - from, a.batch);
      for (int s = 0; s < spans; s++) {
        const int begin = from + partBegin(to - from, spans, s), end = from + partBegin(to - from, spans, s + 1);
        const PixelSpan span(tap, begin, end, a.batch, a.add || s > 0);
        for (int i = tileBegin; i < tileEnd; i++) {
          const int part = (((n - panelBegin) * a.tapCount + t) * spans + s) * (tileEnd - tileBegin) + i - tileBegin;
          const int depthBegin = partBegin(a.depth, tiles, i), count = partBegin(a.depth, tiles, i + 1) - depthBegin;
          float* out = panelGradient + static_cast<std::ptrdiff_t>(depthBegin) * panel;
          // With nothing else to fetch, what the next tile writes.
          const Ahead written{out + count * panel, count * panel * static_cast<std::ptrdiff_t>(sizeof(float))};
          const Fetch fetch = a.nextInput.bytes + a.nextOutputGradient.bytes == 0
                                  ? fetchOf(written, {}, out, 0, 1, span.rows)
                                  : fetchOf(a.nextOutputGradient, a.nextInput, out, part, parts * spans * (tileEnd - tileBegin), span.rows);
          withRows<tileRows>(count, [&](auto m) {
            if (a.offsets == nullptr) {
              gradientTile<Step, Dy, decltype(m)::value, false>(a, span, depthBegin, n, fetch, out);
            } else {
              gradientTile<Step, Dy, decltype(m)::value, true>(a, span, depthBegin, n, fetch, out);
            }
          });
        }
      }
    }
  }
}

}  // namespace trainql::TRAINQL_ISA
