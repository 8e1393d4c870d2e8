// launch_arguments.h: the arguments of a kernel as the command line describes them, in an emulated device's memory.
#pragma once
#include <string>
#include <vector>

#include "runtime/emulator/device/emulated_machine.h"
#include "runtime/file_tensor.h"

namespace tenon::cli {

/// What --arg and --buffer take, for --help.
extern const char* const kArgumentHelp;

/// Parses specifications, allocates and fills their buffers, packs parameters, reads results back.
///   i32:5 (i32 i64 u32 u64 f32 f64 bf16 f16)     a number
///   in:DTYPE:F.npy, in:DTYPE:SHAPE[:FILL]        memory that the kernel may only read
///   inout:.. likewise, out:DTYPE:SHAPE           memory that it may write; `out` holds nothing at first
///   null                                         a null pointer
///   struct:HEX                                   bytes, in the order of memory
///   tensormap:ARG:BOX:SWIZZLE                    a tensor map over the buffer of --arg number ARG (from 0) or --buffer ARG
/// SHAPE and BOX are 64x128, the innermost (fastest) extent last; FILL is zeros (the default), iota[:FIRST],
/// normal[:SEED] or uniform[:SEED] (floats in [-1, 1), integers in [0, 10)).
class LaunchArguments {
 public:
  /// `machine` outlives it. Throws Error that names the specification, with a hint.
  LaunchArguments(emulator::EmulatedMachine& machine, const std::vector<std::string>& arguments,
                  const std::vector<std::string>& buffers);
  /// The parameters of `program`, laid out. Throws Error where number or sizes do not fit.
  std::vector<std::byte> parameters(const emulator::Program& program) const;
  /// `out` and `inout` buffers as they are now, named arg0, arg1, ... or by their --buffer.
  std::vector<FileTensor> outputs() const;

 private:
  struct Argument {
    std::string text;  // as given
    std::string name;  // "arg2" or the --buffer's
    std::vector<std::byte> value;
    uint64_t address = 0;  // of a buffer
    bool result = false;   // out, inout
    FileType type = FileType::kF32;
    Extents shape;
    std::string tensor_map;  // what stands behind "tensormap:", resolved when all buffers are known
  };
  Argument parse(const std::string& text, const std::string& name);
  bool parse_scalar(Argument& argument, llvm::StringRef kind, llvm::StringRef value) const;
  void parse_buffer(Argument& argument, llvm::StringRef kind, llvm::StringRef rest);
  void resolve_tensor_map(Argument& argument) const;
  const Argument& buffer_named(const std::string& text, llvm::StringRef name) const;

  emulator::EmulatedMachine& machine_;
  std::vector<Argument> arguments_, buffers_;
};

}  // namespace tenon::cli
