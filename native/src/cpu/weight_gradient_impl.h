// The weight gradients of convolutions: values of the input times rows of the output's gradient. Each sum is one chain too:
// blocks, then pixels, then images.
#pragma once

namespace trainql::TRAINQL_ISA {

// Rows whose output gradients stay near while the depth is worked through.
constexpr int spanRows = 256;

static int gradientSpans(int pixels, int batch) { return std::max(1, std::min(pixels, pixels * batch / spanRows)); }

struct PixelSpan {
  int begin, end;
  bool add;
};

// A function of its own: inlined, its sums would compete with the loops around it for registers.
template <class Step, class Dy, int M, bool Gather>
__attribute__((noinline)) static void gradientTile(const WeightGradient& a, const TapPixels& tap, PixelSpan span, int depthBegin,
                                                   int n, Fetch fetch, float* out) {
  Vec acc[M][2];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) acc[m][0] = acc[m][1] = Vec{};
  std::ptrdiff_t at[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) at[m] = Gather ? a.offsets[depthBegin + m] : depthBegin + m;

  for (int p = span.begin; p < span.end; p++) {
    const auto* x = static_cast<const typename Step::Value*>(a.input) +
                    static_cast<std::ptrdiff_t>(tap.inPixel[p]) * a.batch * a.inRow;
    const Dy* dy = static_cast<const Dy*>(a.outputGradient) +
                   static_cast<std::ptrdiff_t>(tap.outPixel[p]) * a.batch * a.outRow + n * panel;
    if (!Gather) x += depthBegin;
    for (int image = 0; image < a.batch; image++) {
      fetch.next();
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
        const PixelSpan span{from + partBegin(to - from, spans, s), from + partBegin(to - from, spans, s + 1),
                             a.add || s > 0};
        for (int i = tileBegin; i < tileEnd; i++) {
          const int part = (((n - panelBegin) * a.tapCount + t) * spans + s) * (tileEnd - tileBegin) + i - tileBegin;
          const int begin = partBegin(a.depth, tiles, i), count = partBegin(a.depth, tiles, i + 1) - begin;
          float* out = panelGradient + static_cast<std::ptrdiff_t>(begin) * panel;
          const int steps = (span.end - span.begin) * a.batch;
          // With nothing else to fetch, what the next tile writes.
          const Ahead written{out + count * panel, count * panel * static_cast<std::ptrdiff_t>(sizeof(float))};
          const Fetch fetch = a.nextInput.bytes + a.nextOutputGradient.bytes == 0
                                  ? fetchOf(written, {}, out, 0, 1, steps)
                                  : fetchOf(a.nextOutputGradient, a.nextInput, out, part, parts * spans * (tileEnd - tileBegin), steps);
          withRows<tileRows>(count, [&](auto m) {
            if (a.offsets == nullptr) {
              gradientTile<Step, Dy, decltype(m)::value, false>(a, tap, span, begin, n, fetch, out);
            } else {
              gradientTile<Step, Dy, decltype(m)::value, true>(a, tap, span, begin, n, fetch, out);
            }
          });
        }
      }
    }
  }
}

}  // namespace trainql::TRAINQL_ISA
