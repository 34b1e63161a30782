import { setFlagsFromString } from 'node:v8'

/**
 * V8 collects the whole heap for every 64 MB of buffers that come and go, however small the heap is: frames are such
 * buffers, and marking took a fifth of all processor time. With this flag buffers count towards the one limit of the
 * heap, which grows with what is in use; those that are short-lived go with the young generation.
 */
setFlagsFromString('--external-memory-accounted-in-global-limit')
