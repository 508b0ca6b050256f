// The kernels of one instruction set: included by kernels_<isa>.cc with its vector width and tile height.
#pragma once

#include "cpu/kernels.h"
#include "cpu/simd.h"
#include "cpu/finish_impl.h"
#include "cpu/product_steps_impl.h"
#include "cpu/row_blocks_impl.h"
#include "cpu/products_impl.h"
#include "cpu/weight_gradient_impl.h"
#include "cpu/pairs_impl.h"
#include "cpu/planes_impl.h"
#include "cpu/turned_impl.h"
#include "cpu/tiles_impl.h"
#include "cpu/normalisation_impl.h"
#include "cpu/pointwise_impl.h"
#include "cpu/update_impl.h"
#include "cpu/winograd_impl.h"

namespace trainql::TRAINQL_ISA {

static const Kernels table = {
    TRAINQL_ISA_NAME, V, panel, tileRows, sizeof(Element), depthStep,
    elementTiles, elementProduct, rowTiles, rowProduct<Single, Element>,
    gradientTiles, gradientTileBegin, gradientSpans, elementGradient, weightGradient<Single, Element>,
    weightGradient<Single, float>, linedPartsOrNull, linedGradientOrNull, packDeepOrNull, packAcrossOrNull,
    pairRowsOrNull, pairWeightsOrNull, transposeBlock, pairTransposedBlockOrNull,
    winogradInput, winogradOutput, winogradOutputGradient, winogradWeights,
    turnedTiles, turnedProduct, planeProduct, turnPlane, winogradWeightGradient,
    addMoments, moments, columnSums, batchNormForward, batchNormReduce, batchNormBackward,
    maxPoolForward, maxPoolBackward, averageForward, averageBackward, addRelu, passGradient, widen, narrow, addTo,
    sumLeaves, sumSquares, sgd, sgdIdle, adam, adamIdle,
};

}  // namespace trainql::TRAINQL_ISA
