// Host version of templates/ptx/lop3.cuh.
#pragma once

namespace tenon::ptx {

inline unsigned and_xor(unsigned word, unsigned mask, unsigned bits) { return (word & mask) ^ bits; }

}  // namespace tenon::ptx
