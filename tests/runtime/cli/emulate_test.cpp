// `tenon emulate` and models on `--device emulator`, from outside: values, tables, JSON, findings, refusals.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdio>

#include "ir/json.h"
#include "runtime/cuda/library_search.h"
#include "runtime/safetensors.h"
#include "tests/runtime/files.h"

using namespace tenon;

namespace {

struct Outcome {
  std::string out, err;
  int status;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Outcome tenon_program(const test::TemporaryFolder& folder, const std::string& arguments) {
  const std::string out = folder.file("stdout"), err = folder.file("stderr");
  const int code =
      std::system((std::string(TENON_PROGRAM) + " " + arguments + " >" + out + " 2>" + err).c_str());
  return {text_of(out), text_of(err), WEXITSTATUS(code)};
}

bool have_nvrtc() {
  if (cuda::find_nvrtc().library) return true;
  MESSAGE("SKIPPED: NVRTC is not installed");
  return false;
}

bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("no \"", part, "\" in: ", text);
  return found;
}

std::vector<double> values(const std::string& path, const std::string& name, DType type) {
  const FileTensors tensors = read_safetensors(path);
  const FileTensor& tensor = tensors.at(name);
  const Tensor read = to_declared(tensor, {type, Shape(tensor.shape.begin(), tensor.shape.end())}, nullptr);
  std::vector<double> result;
  for (int64_t i = 0; i < read.elements(); ++i) result.push_back(read.at(i));
  return result;
}

// Copies bytes of two structs and numbers of each kind to where a test sees them.
const char* kPtx = R"ptx(.version 8.0
.target sm_80
.address_size 64
.visible .entry copy(.param .align 4 .b8 p_struct[8], .param .u64 p_x, .param .f32 p_a, .param .b16 p_h, .param .u64 p_y)
{
  .reg .b16 %h<2>;
  .reg .f32 %f<5>;
  .reg .b32 %r<5>;
  .reg .b64 %rd<6>;
  ld.param.u32 %r1, [p_struct+4];
  ld.param.u64 %rd1, [p_x];
  ld.param.f32 %f1, [p_a];
  ld.param.b16 %h1, [p_h];
  ld.param.u64 %rd2, [p_y];
  mov.u32 %r2, %tid.x;
  mul.wide.u32 %rd3, %r2, 4;
  add.s64 %rd4, %rd1, %rd3;
  add.s64 %rd5, %rd2, %rd3;
  ld.global.f32 %f2, [%rd4];
  cvt.rn.f32.u32 %f3, %r1;
  fma.rn.f32 %f4, %f2, %f1, %f3;
  st.global.f32 [%rd5], %f4;
  ret;
}
)ptx";

const char* kCuda = R"cuda(#include "scale.h"
template <class T> __device__ void twice(T* x) { *x += *x; }
__global__ void double_all(float* x, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i <= n) twice(x + i);
}
extern "C" __global__ void shifted(float* x) {
  __shared__ float s[32];
  s[threadIdx.x] = SCALE * x[threadIdx.x];
  x[threadIdx.x] = s[threadIdx.x ^ 16];
}
extern "C" __global__ void raced(float* x) {
  __shared__ float s[64];
  s[threadIdx.x] = x[threadIdx.x];
  x[threadIdx.x] = s[63 - threadIdx.x];
}
)cuda";

}  // namespace

TEST_CASE("emulate runs PTX with numbers, structs and memory, and writes what came out") {
  test::TemporaryFolder folder;
  const std::string file = folder.write("copy.ptx", kPtx);
  const Outcome run =
      tenon_program(folder, "emulate " + file +
                                " --block 4 --arg struct:0000000003000000 --arg in:f32:4:iota:10"
                                " --arg f32:0.5 --arg bf16:1 --arg out:f32:4 --outputs " +
                                folder.file("y"));
  CHECK(run.err == "");
  REQUIRE(run.status == 0);
  CHECK(has(run.out, "copy on the emulator"));
  CHECK(has(run.out, "16 B asked for in 1 sectors, 32 B unique"));
  CHECK(values(folder.file("y"), "arg4", DType::kF32) == std::vector<double>{8, 8.5, 9, 9.5});
  CHECK(read_safetensors(folder.file("y")).size() == 1);
}

TEST_CASE("emulate --json is one document with meters, lines and findings") {
  test::TemporaryFolder folder;
  const std::string file = folder.write("copy.ptx", kPtx);
  const Outcome run = tenon_program(folder, "emulate " + file +
                                                " --block 4 --json --arg struct:0000000003000000 --arg "
                                                "inout:f32:3:zeros --arg f32:1 --arg f16:1 --arg out:f32:4");
  CHECK(run.status == 1);
  const json::Value document = json::parse(run.out);
  CHECK(*document["kernel"].string() == "copy");
  CHECK(*document["target"].string() == "sm_80");
  CHECK(document["meter"]["blocks"].integer() == 1);
  CHECK(document["meter"]["by_class"]["store_global"].integer() == 1);
  REQUIRE(document["findings"].array()->size() >= 1);
  const json::Value& finding = (*document["findings"].array())[0];
  CHECK(*finding["kind"].string() == "out_of_bounds");
  CHECK(has(*finding["message"].string(), "arg1 (inout:f32:3:zeros)"));
  CHECK(finding["ptx_line"].integer() == 19);
  CHECK((*finding["thread"].array())[0].integer() == 3);
  REQUIRE(document["outputs"].array()->size() == 2);
  CHECK(has(run.err, "error: the emulator found"));
}

TEST_CASE("emulate compiles CUDA with the headers beside it, and finds its kernel by its C++ name") {
  if (!have_nvrtc()) return;
  test::TemporaryFolder folder;
  const std::string file = folder.write("k.cu", kCuda);
  const Outcome missing = tenon_program(folder, "emulate " + file + " --kernel double_all --block 8");
  CHECK(missing.status == 2);
  CHECK(has(missing.err, "scale.h"));
  std::filesystem::create_directory(folder.path / "include");
  folder.write("include/scale.h", "#define SCALE 3.f\n");
  const std::string command = "emulate " + file + " --include " + folder.file("include") + " --target sm_80 ";
  Outcome run = tenon_program(
      folder, command +
                  "--kernel double_all --grid 2 --block 4 --arg inout:f32:8:iota --arg i32:7 --outputs " +
                  folder.file("y"));
  CHECK(run.status == 0);
  CHECK(values(folder.file("y"), "arg0", DType::kF32) == std::vector<double>{0, 2, 4, 6, 8, 10, 12, 14});
  run = tenon_program(folder,
                      command + "--kernel double_all --grid 2 --block 5 --arg inout:f32:8:iota --arg i32:8");
  CHECK(run.status == 1);
  for (const char* part : {"double_all", "out of bounds", "thread (3,0,0)", "k.cu:2 (", "k.cu:5"})
    CHECK(has(run.err, part));
  run = tenon_program(
      folder, command + "--kernel shifted --block 32 --arg inout:f32:32:iota --outputs " + folder.file("z"));
  CHECK(run.status == 0);
  CHECK(values(folder.file("z"), "arg0", DType::kF32)[0] == 48);
  run = tenon_program(folder, command + "--kernel raced --block 64 --arg inout:f32:64:iota");
  CHECK(run.status == 1);
  CHECK(has(run.err, "race in shared memory"));
  run = tenon_program(folder,
                      command + "--kernel raced --block 64 --arg inout:f32:64:iota --check=-shared_races");
  CHECK(has(run.err, "uninitialised"));
  run = tenon_program(folder, command + "--kernel raced --block 64 --arg inout:f32:64:iota --check=-all");
  CHECK(run.status == 0);
}

TEST_CASE("emulate copies through a tensor map over memory that is no parameter") {
  if (!have_nvrtc()) return;
  test::TemporaryFolder folder;
  const std::string file = folder.write("map.cu", R"cuda(
struct alignas(64) Map { char bytes[128]; };
extern "C" __global__ void corner(const __grid_constant__ Map map, float* y) {
  __shared__ alignas(128) float box[2][4];
  __shared__ alignas(8) unsigned long long barrier;
  unsigned b = (unsigned)__cvta_generic_to_shared(&barrier), s = (unsigned)__cvta_generic_to_shared(box);
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(b));
    asm volatile("fence.mbarrier_init.release.cluster;");
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], 32;" ::"r"(b));
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(s), "l"(&map), "r"(4), "r"(1), "r"(b) : "memory");
  }
  __syncthreads();
  asm volatile("{ .reg .pred p; AGAIN: mbarrier.try_wait.parity.shared.b64 p, [%0], 0; @!p bra AGAIN; }" ::"r"(b) : "memory");
  y[threadIdx.x] = box[threadIdx.x / 4][threadIdx.x % 4];
}
)cuda");
  const std::string good =
      "emulate " + file +
      " --target sm_90a --block 8 --buffer a=in:f32:3x8:iota --arg tensormap:a:2x4:none --arg "
      "out:f32:8 --outputs " +
      folder.file("y");
  const Outcome run = tenon_program(folder, good);
  CHECK(run.err == "");
  CHECK(run.status == 0);
  CHECK(values(folder.file("y"), "arg1", DType::kF32) == std::vector<double>{12, 13, 14, 15, 20, 21, 22, 23});
  for (auto [map, words] : {std::pair{"tensormap:b:2x4:none", "no buffer 'b'"},
                            {"tensormap:a:2x4", "ARG:BOX:SWIZZLE"},
                            {"tensormap:a:4:none", "as many extents"},
                            {"tensormap:a:2x4:96", "no swizzle '96'"},
                            {"tensormap:a:2x3:none", "16"},
                            {"tensormap:5:8:none", "no buffer '5'"}}) {
    const Outcome bad =
        tenon_program(folder, "emulate " + file + " --target sm_90a --buffer a=in:f32:3x8:iota --arg " + map +
                                  " --arg out:f32:8");
    CHECK(bad.status == 2);
    CHECK(has(bad.err, words));
  }
}

TEST_CASE("emulate refuses what it cannot take, with a hint") {
  test::TemporaryFolder folder;
  const std::string file = folder.write("copy.ptx", kPtx);
  folder.write("empty.ptx", ".version 8.0\n.target sm_80\n.address_size 64\n");
  folder.write("bad.ptx", ".version 8.0\n.target sm_80\nnonsense\n");
  struct Case {
    std::string arguments;
    const char* words;
  };
  for (const Case& c : {Case{"none.cu", "none.cu"},
                        {file + " --kernel cop", "it has copy"},
                        {file + " --grid 0", "--grid takes X[,Y,Z]"},
                        {file + " --block 1,1,1,1", "--block takes X[,Y,Z]"},
                        {file + " --block 2000 --arg null --arg null --arg null --arg null --arg null",
                         "it has 8 bytes; parameter 2"},
                        {file + " --target sm_75", "it knows sm_80"},
                        {file + " --check races", "uninitialised"},
                        {file + " --arg i33:1", "no kind of argument 'i33'"},
                        {file + " --arg i32:99999999999", "is no i32"},
                        {file + " --arg f32:x", "is no number"},
                        {file + " --arg in:f31:4", "no element type 'f31'"},
                        {file + " --arg in:f32:4x", "no shape"},
                        {file + " --arg in:f32:4:ones", "no filling 'ones'"},
                        {file + " --arg in:i32:4:normal", "normal is for floats"},
                        {file + " --arg out:f32:4:zeros", "not filled"},
                        {file + " --arg in:f32:" + folder.file("x.npy"), "x.npy"},
                        {file + " --arg struct:123", "hexadecimal"},
                        {file + " --arg in:f32:99999999999x9999999999", "too large"},
                        {file + " --buffer in:f32:4", "NAME=SPEC"},
                        {file + " --arg i32:1", "takes 5 parameters; there are 1"},
                        {folder.file("empty.ptx"), "has no kernel"},
                        {folder.file("bad.ptx"), "bad.ptx:3"}}) {
    CAPTURE(c.arguments);
    const Outcome outcome = tenon_program(folder, "emulate " + c.arguments);
    CHECK(outcome.status == 2);
    CHECK(has(outcome.err, c.words));
    CHECK(outcome.out == "");
  }
}

TEST_CASE("a model runs, is checked, timed and explained on the emulator") {
  if (!have_nvrtc()) return;
  test::TemporaryFolder folder;
  const std::string model = folder.write("m.toml", R"(tenon = 1
[model]
name = "m"
dtype = "bf16"
[dims]
T = "1..64"
[inputs]
x = { shape = ["T", 64] }
[weights]
w1 = { shape = [64, 128] }
w2 = { shape = [128, 64] }
[graph]
body = ['h = gelu(x @ w1)', 'y = x + h @ w2']
outputs = ["y"]
)");
  const std::string flags = model + " --device emulator:sm_80 --dim T=20 ";
  Outcome run = tenon_program(folder, "run " + flags + "--check --json");
  CHECK(run.status == 0);
  CHECK(has(run.err, "cuBLASLt cannot run here: policy auto acts as fused"));
  const json::Value document = json::parse(run.out);
  CHECK(*document["device"].string() == "emulator (sm_80)");
  CHECK(document["findings"].array()->empty());
  for (const json::Value& kernel : *document["kernels"].array()) {
    CHECK(*kernel["metered"]["unique_bytes_written"].integer() >= 20 * 64 * 2);
    CHECK(*kernel["metered"]["mma_flops"].integer() >= 2 * 20 * 64 * 128);
    CHECK(*kernel["metered"]["instructions"].integer() > 0);
  }
  run = tenon_program(folder, "check " + flags + "--meter -q -v");
  CHECK(run.status == 0);
  CHECK(run.err == "");
  CHECK(has(run.out, "metered on the emulator"));
  CHECK(has(run.out, "all launches: "));
  CHECK(has(run.out, ".cuh:"));
  run = tenon_program(folder, "bench " + flags + "-q");
  CHECK(run.status == 0);
  CHECK(has(run.out, "ms of emulation a run"));
  CHECK(json::parse(tenon_program(folder, "bench " + flags + "-q --json").out)["run_us"].number() ==
        std::nullopt);
  run = tenon_program(folder, "explain " + flags + "-q");
  CHECK(run.status == 0);
  CHECK(has(run.out, "because"));
  CHECK(has(run.out, "metered on the emulator"));
  run = tenon_program(folder, "run " + flags + "--policy library");
  CHECK(run.status == 3);
  CHECK(has(run.err, "--policy library needs cuBLASLt"));
  run = tenon_program(folder, "run " + flags + "--target h100");
  CHECK(run.status == 2);
  CHECK(has(run.err, "--device emulator:sm_90a"));
}
