// The routes that carry bytes rather than GraphQL: PUT to an upload, GET of an export, each by a signed URL.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Router, type Request, type Response } from 'express'
import { type ErrorCode, isTrainqlError, type TrainqlError } from '../../shared/errors.ts'
import { diskFullOr } from '../durable-files.ts'
import { type MetricsExportService, metricsPath } from '../metrics/metrics-export.service.ts'
import { type ExportService, exportsPath } from './export.service.ts'
import type { TransferMethod, UrlSigner } from './signed-url.ts'
import { tooLarge, type UploadService, uploadsPath, UploadTooLarge } from './upload.service.ts'

export interface Transfers {
  signer: UrlSigner
  uploads: UploadService
  exports: ExportService
  metrics: MetricsExportService
}

interface Refusal {
  code: string
  message: string
  fix: string
}

export function createTransferRoutes({ signer, uploads, exports, metrics }: Transfers): Router {
  const router = Router()

  /** Answers where the URL is not good; true where it is. `source`: the mutation that gives such URLs. */
  function isSigned(request: Request, response: Response, [method, source]: [TransferMethod, string]): boolean {
    const state = signer.check(method, request.path, request.query)
    if (state === 'VALID') return true
    refuse(response, 403, {
      code: 'FORBIDDEN',
      message: state === 'EXPIRED' ? 'This URL has expired.' : 'This URL was not made by this server.',
      fix: `Ask for another with ${source}.`,
    })
    return false
  }

  router.put(`${uploadsPath}/:id/:fileName`, async (request, response) => {
    if (!isSigned(request, response, ['PUT', 'createCheckpointUpload'])) return
    const { id, fileName } = request.params
    try {
      const length = Number(request.headers['content-length'] ?? 0)
      if (length > uploads.limitBytes) throw tooLarge(uploads.limitBytes, length)
      const bytes = await uploads.receive(id, fileName, request)
      response.status(201).json({ id, bytes })
    } catch (thrown) {
      const error = diskFullOr(thrown)
      // Who left in the middle hears nothing; what came of it is gone.
      if (request.readableAborted || request.destroyed) response.destroy()
      if (!isTrainqlError(error)) {
        if (response.destroyed) return
        throw error
      }
      // The rest of the body is not waited for.
      response.set('Connection', 'close')
      refuse(response, statusOf(error), error)
    }
  })

  router.get(`${exportsPath}/:id/:fileName`, async (request, response) => {
    if (!isSigned(request, response, ['GET', 'exportCheckpoint'])) return
    const file = await exports.find(request.params.id)
    if (file === null) {
      refuse(response, 404, {
        code: 'NOT_FOUND',
        message: 'This export has been cleared away.',
        fix: 'Ask for another with exportCheckpoint.',
      })
      return
    }
    response.set('ETag', `"${file.sha256}"`)
    response.attachment(file.fileName)
    await new Promise<void>((resolve, reject) => {
      // Ranges, conditions and HEAD are send's, which express brings.
      response.sendFile(file.fileName, { root: file.folder, cacheControl: false }, (error) => {
        // A client that leaves is no error, nor one that asks for a range that is not there: send has answered.
        if (error === undefined || response.headersSent) resolve()
        else reject(error)
      })
    })
  })

  router.get(`${metricsPath}/:key/:fileName`, async (request, response) => {
    if (!isSigned(request, response, ['GET', 'exportMetrics'])) return
    const left = new AbortController()
    response.once('close', () => left.abort())
    const { key, fileName } = request.params
    const file = await metrics.open(key, left.signal)
    if (file === null) {
      refuse(response, 404, {
        code: 'NOT_FOUND',
        message: 'The run of this export is gone, and its measurements with it.',
        fix: 'List the runs there are with the query `runs`.',
      })
      return
    }
    response.attachment(fileName).set({ 'Content-Type': file.contentType, 'Accept-Ranges': 'none' })
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    try {
      // One batch is read ahead, and the next once that is on its way.
      await pipeline(Readable.from(file.text, { highWaterMark: 1 }), response)
    } catch (error) {
      // The client has left, or was cut off where the run went: it sees that what came is a part.
      const isLeft =
        error === left.signal.reason || (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE'
      if (!isLeft && !isTrainqlError(error)) throw error
    }
  })
  return router
}

function refuse(response: Response, status: number, { code, message, fix }: Refusal): void {
  response.status(status).json({ code, message, fix })
}

const statuses: Partial<Record<ErrorCode, number>> = { NOT_FOUND: 404, CONFLICT: 409, DISK_FULL: 507 }

function statusOf(error: TrainqlError): number {
  return error instanceof UploadTooLarge ? 413 : (statuses[error.code] ?? 400)
}
