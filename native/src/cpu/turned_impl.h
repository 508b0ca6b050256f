// Data gradients with images and channels changing places, so that the weights are read as they lie: nobody transposes them.
//
// Each output value is the chain of multiply-adds that `rowProduct` makes of transposed weights: the two give the same bits.
#pragma once

namespace trainql::TRAINQL_ISA {

// M input channels of one pixel, N registers of images.
template <int M, int N>
static inline void turnedTile(const TurnedProduct& a, const RowGroup& g, int pixel, int images, int channel) {
  Vec acc[M][N];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 2
    for (int h = 0; h < N; h++) acc[m][h] = Vec{};
  }
  const int blocks = a.depth / panel, parts = ceilDiv(a.batch, panel), share = std::max(1, M / parts);
  for (int t = 0; t < g.tapCount; t++) {
    const float* w = a.weights + g.taps[t].slot * a.slotStride + channel * panel;
    const float* x = a.outputGradient + (g.basePixel[pixel] + g.taps[t].pixelDelta) * a.outPixelStride + images * a.depth * panel;
    for (int block = 0; block < blocks; block++, w += a.panelStride) {
      // The same weights of the channels that come next: each panel of images fetches its share.
      const float* next = w + M * panel + M * panel * images / parts;
      for (int k = 0; k < panel; k++, x += panel) {
        __builtin_prefetch(next, 0, 2);
        next += share;
        Vec columns[N];
#pragma GCC unroll 2
        for (int h = 0; h < N; h++) columns[h] = load(x + h * V);
#pragma GCC unroll 16
        for (int m = 0; m < M; m++) {
          const Vec value = broadcast(w[m * panel + k]);
#pragma GCC unroll 2
          for (int h = 0; h < N; h++) acc[m][h] += value * columns[h];
        }
      }
    }
  }
  float* const out = a.inputGradient + g.outPixel[pixel] * a.inPixelStride + (images * a.channels + channel) * panel;
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 2
    for (int h = 0; h < N; h++) store(out + m * panel + h * V, acc[m][h]);
  }
}

static int turnedTiles(const TurnedProduct& a) { return ceilDiv(a.channels, tileRows); }

static void turnedProduct(const TurnedProduct& a, int tileBegin, int tileEnd) {
  const int tiles = turnedTiles(a), parts = ceilDiv(a.batch, panel);
  for (int tile = tileBegin; tile < tileEnd; tile++) {
    const int channel = partBegin(a.channels, tiles, tile), count = partBegin(a.channels, tiles, tile + 1) - channel;
    withRows<tileRows>(count, [&](auto m) {
      for (int i = 0; i < a.groupCount; i++) {
        const RowGroup& g = a.groups[i];
        for (int pixel = 0; pixel < g.pixels; pixel++) {
          for (int images = 0; images < parts; images++) {
            if (images * panel + V < a.batch) {
              turnedTile<decltype(m)::value, 2>(a, g, pixel, images, channel);
            } else {
              turnedTile<decltype(m)::value, 1>(a, g, pixel, images, channel);
            }
          }
        }
      }
    });
  }
}

}  // namespace trainql::TRAINQL_ISA
