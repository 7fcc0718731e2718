// Pictures on their way to a model: checked, scaled down to what models look at, and as parts of a message.

import type { Part } from '../hub'
import { randomId } from '../browser'

export interface Attached {
  id: string
  name: string
  mediaType: string
  /** Base64, as the gateway takes it. */
  data: string
  width: number
  height: number
}

export const ACCEPTED = ['image/png', 'image/jpeg', 'image/webp', 'image/gif']
/** What a question may carry; the gateway takes 8 MiB for the whole of it. */
export const IMAGES_MAX = 8
export const FILE_BYTES_MAX = 10 * 1024 * 1024
const DATA_CHARS_MAX = 7 * 1024 * 1024
/** Vision models scale down to about this by themselves. */
const SIDE_MAX = 1568
const QUALITY = 0.86
/** Small files go as they are: drawing them again only makes them worse. */
const UNTOUCHED_BYTES_MAX = 300 * 1024

export class ImageError extends Error {}

export async function attach(file: File): Promise<Attached> {
  if (!ACCEPTED.includes(file.type)) throw new ImageError(`${file.name} is no PNG, JPEG, WebP or GIF`)
  if (file.size > FILE_BYTES_MAX) throw new ImageError(`${file.name} is larger than 10 MB`)
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new ImageError(`${file.name} cannot be read as a picture`)
  })
  const { width, height } = bitmap
  const scale = Math.min(1, SIDE_MAX / Math.max(width, height))
  const isUntouched = scale === 1 && file.size <= UNTOUCHED_BYTES_MAX
  const url = isUntouched ? await readUrl(file) : draw(bitmap, scale, file.type)
  bitmap.close()
  const [head = '', data = ''] = url.split(',')
  const mediaType = /^data:([^;]+)/.exec(head)?.[1] ?? file.type
  return {
    id: randomId(),
    name: file.name || 'picture',
    mediaType,
    data,
    width: Math.round(width * scale),
    height: Math.round(height * scale),
  }
}

/** Whether these fit into one question. */
export const fit = (images: Attached[]): boolean =>
  images.length <= IMAGES_MAX && images.reduce((sum, image) => sum + image.data.length, 0) <= DATA_CHARS_MAX

export const partOf = (image: Attached): Part => ({ type: 'image', media_type: image.mediaType, data: image.data })

export const urlOf = (part: { media_type: string; data: string }): string =>
  ACCEPTED.includes(part.media_type) ? `data:${part.media_type};base64,${part.data}` : ''

function draw(bitmap: ImageBitmap, scale: number, type: string): string {
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(bitmap.width * scale))
  canvas.height = Math.max(1, Math.round(bitmap.height * scale))
  const context = canvas.getContext('2d')
  if (!context) throw new ImageError('this browser cannot scale pictures')
  // JPEG has no transparency, and what was transparent would turn black.
  const isOpaque = type === 'image/jpeg'
  context.imageSmoothingQuality = 'high'
  if (!isOpaque) {
    context.fillStyle = '#fff'
    context.fillRect(0, 0, canvas.width, canvas.height)
  }
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height)
  return canvas.toDataURL('image/jpeg', QUALITY)
}

function readUrl(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(String(reader.result))
    reader.onerror = () => reject(new ImageError(`${file.name} cannot be read`))
    reader.readAsDataURL(file)
  })
}
