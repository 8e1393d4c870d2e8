// tables.h: the files of this folder, each with the opcodes that it decodes and executes.
#pragma once
#include "runtime/emulator/program/decoder.h"

namespace tenon::emulator {

OpcodeTable integer_opcodes();  ///< add sub mul mad ... of integers are reached through arithmetic_opcodes()
OpcodeTable bit_opcodes();      ///< and or xor not (of predicates too) shifts fields counts lop3 prmt
OpcodeTable
arithmetic_opcodes();  ///< opcodes that integers and floats share: add sub mul mad fma div min max neg abs
OpcodeTable float_opcodes();    ///< rcp sqrt rsqrt ex2 lg2 sin cos tanh copysign testp
OpcodeTable convert_opcodes();  ///< cvt
OpcodeTable compare_opcodes();  ///< setp set selp slct, and/or/xor/not of predicates are bit_opcodes'
OpcodeTable move_opcodes();     ///< mov, also of special registers
OpcodeTable address_opcodes();  ///< cvta isspacep mapa getctarank, prefetch and other hints
OpcodeTable memory_opcodes();   ///< ld st ldu
OpcodeTable atomic_opcodes();   ///< atom red fence membar
OpcodeTable control_opcodes();  ///< bra brx ret exit call trap brkpt
OpcodeTable barrier_opcodes();  ///< bar barrier (cta and cluster) nanosleep griddepcontrol setmaxnreg
OpcodeTable warp_opcodes();     ///< shfl vote match redux activemask elect bar.warp is barrier_opcodes'
OpcodeTable matrix_opcodes();   ///< mma ldmatrix stmatrix movmatrix
OpcodeTable async_opcodes();    ///< cp (async, bulk, tensor), mbarrier
OpcodeTable wgmma_opcodes();    ///< wgmma

}  // namespace tenon::emulator
