// Inverse of the standard normal distribution function: Wichura's AS 241 (Applied Statistics 37, 1988), in the very
// arithmetic of src/trainer/normal-quantile.ts. Compiled without fused multiply-adds.
#include "input/normals.h"

#include <array>
#include <cmath>
#include <cstring>

namespace trainql {

namespace {

// Coefficients from the constant upwards.
typedef std::array<double, 8> Polynomial;

constexpr Polynomial logarithmSeries{
    6.66666666666673513e-1, 3.999999999940941908e-1, 2.857142874366239149e-1, 2.222219843214978396e-1,
    1.818357216161805012e-1, 1.531383769920937332e-1, 1.479819860511658591e-1, 0.0};
constexpr Polynomial centralNumerator{
    3.387132872796366608, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
    4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3};
constexpr Polynomial centralDenominator{
    1.0, 4.2313330701600911252e1, 6.871870074920579083e2, 5.3941960214247511077e3,
    2.1213794301586595867e4, 3.930789580009271061e4, 2.8729085735721942674e4, 5.226495278852854561e3};
constexpr Polynomial middleNumerator{
    1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
    1.27045825245236838258, 2.4178072517745061177e-1, 2.27238449892691845833e-2, 7.7454501427834140764e-4};
constexpr Polynomial middleDenominator{
    1.0, 2.05319162663775882187, 1.6763848301838038494, 6.8976733498510000455e-1,
    1.4810397642748007459e-1, 1.51986665636164571966e-2, 5.475938084995344946e-4, 1.05075007164441684324e-9};
constexpr Polynomial tailNumerator{
    6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 2.9656057182850489123e-1,
    2.6532189526576123093e-2, 1.2426609473880784386e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7};
constexpr Polynomial tailDenominator{
    1.0, 5.9983220655588793769e-1, 1.3692988092273580531e-1, 1.48753612908506148525e-2,
    7.868691311456132591e-4, 1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15};

double at(const Polynomial& c, double x) {
  return ((((((c[7] * x + c[6]) * x + c[5]) * x + c[4]) * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0];
}

// Of a positive, normal double, after fdlibm's e_log.c.
double naturalLogarithm(double x) {
  constexpr double squareRootOf2 = 1.4142135623730951;
  constexpr double ln2High = 6.9314718036912381649e-1, ln2Low = 1.90821492927058770002e-10;
  std::uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  double k = static_cast<double>(static_cast<int>(bits >> 52) - 1023);
  bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
  double mantissa;
  std::memcpy(&mantissa, &bits, sizeof mantissa);
  if (mantissa > squareRootOf2) {
    mantissa /= 2;
    k += 1;
  }
  const double f = mantissa - 1, s = f / (2 + f), z = s * s;
  const double series = z * at(logarithmSeries, z), halfSquare = 0.5 * f * f;
  return k * ln2High - (halfSquare - (s * (halfSquare + series) + k * ln2Low) - f);
}

// The x with P(X <= x) = p for a standard normal X and p in (0, 1).
double normalQuantile(double p) {
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * at(centralNumerator, r) / at(centralDenominator, r);
  }
  const double r = std::sqrt(-naturalLogarithm(q < 0 ? p : 1 - p));
  const double x = r <= 5 ? at(middleNumerator, r - 1.6) / at(middleDenominator, r - 1.6)
                          : at(tailNumerator, r - 5) / at(tailDenominator, r - 5);
  return q < 0 ? -x : x;
}

}  // namespace

void drawNormals(const RandomKey& key, double deviation, float* to, std::size_t count) {
  Random random(key);
  for (std::size_t i = 0; i < count; i++) to[i] = static_cast<float>(deviation * normalQuantile(random.uniform()));
}

}  // namespace trainql
