// What a zip archive's reader and writer both know of its records.
// Format: APPNOTE.TXT of PKWARE, 4.3 and 4.5.3 (zip64).

export const signatures = {
  localHeader: 0x04034b50,
  centralHeader: 0x02014b50,
  end: 0x06054b50,
  zip64End: 0x06064b50,
  zip64Locator: 0x07064b50,
} as const

export const localHeaderBytes = 30
export const centralHeaderBytes = 46
export const endBytes = 22
export const zip64LocatorBytes = 20
export const zip64EndBytes = 56
/** A size or offset of 32 bits that says: see the zip64 field. */
export const narrowMost = 0xffffffff
