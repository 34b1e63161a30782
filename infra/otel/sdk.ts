import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import project from '../../package.json' with { type: 'json' }
import { STOP_TRACING_MS, type Tracing, type TracingOptions } from './tracing.ts'

/** Spans wait for so long at most; a collector that is away costs no more memory than this many. */
const FLUSH_MS = 1_000
const MOST_WAITING = 4_096
const EXPORT_MS = 5_000

/** A base address, as the standard's variable has it: each signal has a path below it. */
const tracesUrl = (endpoint: string): string => `${endpoint.replace(/\/+$/, '')}/v1/traces`

/** Tells the operator once when spans get lost, and once when they are taken again. */
const reporting = (exporter: SpanExporter, { endpoint, logger }: TracingOptions): SpanExporter => {
  let failing = false
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined
        if (failed && !failing)
          logger.warn({ endpoint, error: result.error?.message }, 'the collector takes no traces: spans are dropped')
        if (!failed && failing) logger.info({ endpoint }, 'the collector takes traces again')
        failing = failed
        done(result)
      }),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    shutdown: () => exporter.shutdown(),
  }
}

/** OpenTelemetry's SDK. Headers, certificates and compression of the exporter come from the standard's variables. */
export const startSdk = (options: TracingOptions & { endpoint: string }): Tracing => {
  const exporter = new OTLPTraceExporter({ url: tracesUrl(options.endpoint), timeoutMillis: EXPORT_MS })
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(detectResources({ detectors: [resourceAttributesEnvDetector] }))
      .merge(
        resourceFromAttributes({
          'service.name': options.service,
          'service.version': project.version,
          'service.instance.id': options.instance,
        }),
      ),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.ratio) }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: reporting(exporter, options),
        scheduledDelayMillis: FLUSH_MS,
        maxQueueSize: MOST_WAITING,
      }),
    ],
  })
  return {
    tracer: provider.getTracer('millrace', project.version),
    isOn: true,
    async stop() {
      const { promise: late, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, STOP_TRACING_MS)
      await Promise.race([provider.shutdown().catch(() => undefined), late])
      clearTimeout(timer)
    },
  }
}
