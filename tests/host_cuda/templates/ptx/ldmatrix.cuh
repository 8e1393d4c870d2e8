// Host versions of templates/ptx/ldmatrix.cuh.
#pragma once
#include "templates/ptx/shared.cuh"

namespace tenon::ptx {

template <int kMatrices, bool kTransposed>
struct LdmatrixRecord {
  const void* row;
  unsigned* words;

  static const unsigned short* row_of(void* const* records, int matrix, int row) {
    return static_cast<const unsigned short*>(
        static_cast<const LdmatrixRecord*>(records[8 * matrix + row])->row);
  }
  static void combine(void* const* records) {
    for (int lane = 0; lane < 32; ++lane)
      for (int matrix = 0; matrix < kMatrices; ++matrix) {
        const int g = lane / 4, q = lane % 4;
        const unsigned low =
            kTransposed ? row_of(records, matrix, 2 * q)[g] : row_of(records, matrix, g)[2 * q];
        const unsigned high =
            kTransposed ? row_of(records, matrix, 2 * q + 1)[g] : row_of(records, matrix, g)[2 * q + 1];
        static_cast<LdmatrixRecord*>(records[lane])->words[matrix] = low | high << 16;
      }
  }
};

template <int kMatrices, bool kTransposed>
inline void ldmatrix(unsigned (&r)[kMatrices], const void* row) {
  if (reinterpret_cast<unsigned long>(row) % 16 && host_cuda::lane_number() < 8 * kMatrices)
    tenon_host->fail("ldmatrix: a row is not aligned to 16 bytes");
  LdmatrixRecord<kMatrices, kTransposed> record{row, r};
  tenon_host->collective("ldmatrix", 0xffffffffu, &record, record.combine);
}
inline void ldmatrix_x1(unsigned (&r)[1], const void* row) { ldmatrix<1, false>(r, row); }
inline void ldmatrix_x2(unsigned (&r)[2], const void* row) { ldmatrix<2, false>(r, row); }
inline void ldmatrix_x4(unsigned (&r)[4], const void* row) { ldmatrix<4, false>(r, row); }
inline void ldmatrix_x1_trans(unsigned (&r)[1], const void* row) { ldmatrix<1, true>(r, row); }
inline void ldmatrix_x2_trans(unsigned (&r)[2], const void* row) { ldmatrix<2, true>(r, row); }
inline void ldmatrix_x4_trans(unsigned (&r)[4], const void* row) { ldmatrix<4, true>(r, row); }

}  // namespace tenon::ptx
