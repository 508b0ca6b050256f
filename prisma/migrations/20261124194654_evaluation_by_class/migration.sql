-- AlterTable
ALTER TABLE "EpochMetrics" ADD COLUMN     "classCorrect" INTEGER[] DEFAULT ARRAY[]::INTEGER[],
ADD COLUMN     "classImages" INTEGER[] DEFAULT ARRAY[]::INTEGER[],
ADD COLUMN     "confusion" INTEGER[] DEFAULT ARRAY[]::INTEGER[],
ADD COLUMN     "top5Accuracy" DOUBLE PRECISION;

-- AlterTable
ALTER TABLE "Run" ADD COLUMN     "classNames" TEXT[] DEFAULT ARRAY[]::TEXT[];
