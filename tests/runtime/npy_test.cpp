#include "runtime/npy.h"

#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "tests/runtime/files.h"

namespace tenon {
namespace {

using test::bytes_of;
using test::npy_bytes;
using test::TemporaryFolder;

TEST_CASE("arrays of every version, rank and known type") {
  TemporaryFolder folder;
  for (int version : {1, 2, 3}) {
    std::string bytes = npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }         \n",
                                  bytes_of({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}), version);
    FileTensor tensor = read_npy(folder.write("a.npy", bytes));
    CHECK(tensor.text() == "f32[2, 3]");
    CHECK(to_declared(tensor, {DType::kF32, {2, 3}}, nullptr).at(5) == 6);
  }
  FileTensor scalar =
      read_npy(folder.write("s.npy", npy_bytes("{'shape': (), \"descr\": '<i8', 'fortran_order': False}",
                                               bytes_of<int64_t>({-3}))));
  CHECK(to_declared(scalar, {DType::kI32, {}}, nullptr).integer_at(0) == -3);
  FileTensor flags = read_npy(folder.write(
      "b.npy", npy_bytes("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", {1, 0, 1})));
  CHECK(to_declared(flags, {DType::kBool, {3}}, nullptr).at(2) == 1);
  FileTensor half =
      read_npy(folder.write("h.npy", npy_bytes("{'descr': '<f2', 'fortran_order': False, 'shape': (1,), }",
                                               bytes_of<uint16_t>({0x3e00}))));
  CHECK(to_declared(half, {DType::kF32, {1}}, nullptr).at(0) == 1.5);
}

TEST_CASE("what is no array of ours is refused with the reason") {
  TemporaryFolder folder;
  struct Case {
    std::string bytes, reason;
  };
  std::string data = bytes_of({1.f, 2.f});
  for (const Case& bad : std::vector<Case>{
           {"", "no npy file"},
           {"PK\3\4............", "no npy file"},
           {npy_bytes("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", data), "Fortran order"},
           {npy_bytes("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", data), "big-endian"},
           {npy_bytes("{'descr': '<V2', 'fortran_order': False, 'shape': (4,), }", data), "npy has no bf16"},
           {npy_bytes("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", data),
            "'<c8' is not known"},
           {npy_bytes("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", data),
            "structured"},
           {npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", data),
            "takes 12 bytes, the file has 8"},
           {npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", data), "no number"},
           {npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8), }", data),
            "too large"},
           {npy_bytes("{'descr': '<f4', 'shape': (2,), }", data), "without descr"},
           {npy_bytes("{'descr': '<f4", data), "without end"},
           {npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", data, 9), "version 9"},
           {npy_bytes("{", "").substr(0, 9), "no npy file"},
           {npy_bytes(std::string(200, ' '), "").substr(0, 60), "truncated in its header"},
       }) {
    CAPTURE(bad.reason);
    CHECK_THROWS_WITH_AS(read_npy(folder.write("bad.npy", bad.bytes)), doctest::Contains(bad.reason.c_str()),
                         Error);
  }
}

}  // namespace
}  // namespace tenon
