// doctor.cpp: `tenon doctor`: what this machine offers, and what each absence costs.
#include <unistd.h>

#include <filesystem>

#include "ir/json.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include "passes/quantity.h"
#include "runtime/cache/store.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/model_options.h"
#include "runtime/cuda/cublaslt.h"
#include "runtime/cuda/machine.h"
#include "runtime/cuda/nvrtc.h"

namespace tenon::cli {
namespace {

/// One library as doctor reports it.
struct Finding {
  const char* key;    // in JSON
  const char* label;  // for people
  const cuda::LibrarySearch& search;
  const char* cost;     // what its absence means for the user
  std::string version;  // "13.0", empty where absent or broken
  std::string problem;  // why it cannot be used; empty when all is well
};

std::string dotted(size_t version, size_t major_unit, size_t minor_unit) {
  return std::to_string(version / major_unit) + "." + std::to_string(version % major_unit / minor_unit);
}

std::string device_name(const cuda::Gpu& gpu) { return "cuda:" + std::to_string(gpu.ordinal); }

Finding examine_driver(const cuda::Machine& machine) {
  return {"driver",
          "driver",
          machine.driver,
          "no kernel can run here: `run` and `generate` use the cpu device",
          machine.api ? dotted(machine.api->version, 1000, 10) : "",
          machine.driver.library ? machine.driver_problem : "not found"};
}

Finding examine_nvrtc(const cuda::Machine& machine) {
  Finding finding{
      "nvrtc",
      "NVRTC",
      machine.nvrtc,
      "no kernel can be compiled: nothing runs on a GPU or on the emulator, and registers and spills "
      "stay unknown",
      "",
      ""};
  if (!machine.nvrtc.library) {
    finding.problem = "not found";
    return finding;
  }
  try {
    const cuda::NvrtcIdentity identity = cuda::Nvrtc(machine.nvrtc).identity();
    finding.version = std::to_string(identity.major) + "." + std::to_string(identity.minor);
  } catch (const Error& error) {
    finding.problem = error.diagnostics().front().message;
  }
  return finding;
}

Finding examine_cublaslt(const cuda::Machine& machine) {
  Finding finding{"cublaslt",
                  "cuBLASLt",
                  machine.cublaslt,
                  "on a GPU every product runs on a generated kernel; policy `auto` acts as `fused`, "
                  "`library` is refused",
                  "",
                  ""};
  // cuBLASLt counts 10000 * major + 100 * minor + patch.
  if (const size_t version = cuda::cublaslt_version(machine.cublaslt))
    finding.version = dotted(version, 10000, 100);
  else
    finding.problem = machine.cublaslt.library ? "it does not tell its version" : "not found";
  return finding;
}

/// The kernel cache as doctor reports it; looking makes nothing.
struct CacheFinding {
  std::string folder;
  bool there = false;
  size_t entries = 0;
  int64_t bytes = 0, max_bytes = 0;
  std::string problem;  // why nothing is kept; empty when all is well
};

/// Can `path` be made: is the nearest folder above it that exists a writable one?
bool can_be_made(std::filesystem::path path) {
  std::error_code failed;
  while (!path.empty() && !std::filesystem::exists(path, failed) && path.has_relative_path())
    path = path.parent_path();
  if (path.empty()) path = ".";
  return std::filesystem::is_directory(path, failed) && access(path.c_str(), W_OK | X_OK) == 0;
}

CacheFinding examine_cache() {
  const cache::Settings settings = cache::settings_from_environment();
  CacheFinding finding{settings.folder, false, 0, 0, settings.max_bytes, ""};
  std::optional<cache::Folder> folder = cache::Folder::find(settings.kernel_folder());
  finding.there = folder.has_value();
  if (folder)
    for (const cache::ListedFile& file : folder->files()) {
      finding.entries += llvm::StringRef(file.name).endswith(cache::kEntrySuffix);
      finding.bytes += file.bytes;
    }
  if (settings.max_bytes == 0)
    finding.problem = "switched off by TENON_CACHE_MAX_BYTES";
  else if (settings.folder.empty())
    finding.problem = "no place: set TENON_CACHE_DIR";
  else if (folder ? !folder->writable() : !can_be_made(settings.kernel_folder()))
    finding.problem = folder ? "may not be written" : "cannot be made";
  return finding;
}

constexpr char kCacheCost[] = "every start compiles its kernels anew";

void print_text(llvm::raw_ostream& out, const cuda::Machine& machine, llvm::ArrayRef<Finding> findings,
                const CacheFinding& kernels) {
  const auto line = [&](llvm::StringRef label) -> llvm::raw_ostream& {
    return out << llvm::left_justify(label, 10);
  };
  for (const Finding& finding : findings) {
    const cuda::LibrarySearch& search = finding.search;
    if (search.library) line(finding.label) << finding.version << "  " << search.library.path() << "\n";
    if (!finding.problem.empty()) {
      line(search.library ? "" : finding.label) << finding.problem << "\n";
      line("") << finding.cost << "\n";
    }
    if (!search.library)
      for (const std::string& place : search.looked_at) line("") << "  looked at " << place << "\n";
    for (const std::string& defect : search.defects) line("") << "  found broken " << defect << "\n";
  }
  for (const cuda::Gpu& gpu : machine.gpus)
    line(device_name(gpu)) << gpu.name << ", " << gpu.arch() << ", " << gpu.multiprocessors << " SMs, "
                           << llvm::format("%.1f GiB\n", static_cast<double>(gpu.memory_bytes) / (1 << 30));
  line("cache") << (kernels.folder.empty() ? "none" : kernels.folder);
  if (kernels.there)
    out << ", " << tell_count(static_cast<int64_t>(kernels.entries), "kernel", "kernels") << ", "
        << tell_bytes(static_cast<double>(kernels.bytes)) << " of at most "
        << tell_bytes(static_cast<double>(kernels.max_bytes));
  else if (kernels.problem.empty())
    out << ", not made yet";
  out << "\n";
  if (!kernels.problem.empty()) line("") << kernels.problem << ": " << kCacheCost << "\n";
  line("devices") << "cpu";
  if (machine.nvrtc.library) out << ", emulator";
  if (machine.can_run_kernels())
    for (const cuda::Gpu& gpu : machine.gpus) out << ", " << device_name(gpu);
  out << "\n";
}

void print_json(llvm::raw_ostream& out, const cuda::Machine& machine, llvm::ArrayRef<Finding> findings,
                const CacheFinding& kernels) {
  json::Writer json(out, 2);
  json.object([&] {
    json.attribute("tenon", 1);
    for (const Finding& finding : findings)
      json.attribute_object(finding.key, [&] {
        json.attribute("found", static_cast<bool>(finding.search.library));
        json.attribute("path", finding.search.library.path());
        json.attribute("version", finding.version);
        json.attribute("problem", finding.problem);
        json.attribute("cost", finding.problem.empty() ? "" : finding.cost);
        json.attribute("looked_at", finding.search.looked_at);
        json.attribute("defects", finding.search.defects);
      });
    json.attribute_object("cache", [&] {
      json.attribute("folder", kernels.folder);
      json.attribute("found", kernels.there);
      json.attribute("entries", kernels.entries);
      json.attribute("bytes", kernels.bytes);
      json.attribute("max_bytes", kernels.max_bytes);
      json.attribute("problem", kernels.problem);
      json.attribute("cost", kernels.problem.empty() ? "" : kCacheCost);
    });
    json.attribute_array("gpus", [&] {
      for (const cuda::Gpu& gpu : machine.gpus)
        json.object([&] {
          json.attribute("ordinal", gpu.ordinal);
          json.attribute("name", gpu.name);
          json.attribute("arch", gpu.arch());
          json.attribute("multiprocessors", gpu.multiprocessors);
          json.attribute("memory_bytes", gpu.memory_bytes);
          json.attribute("l2_bytes", gpu.l2_bytes);
          json.attribute("shared_bytes_per_block", gpu.shared_bytes_per_block);
        });
    });
    json.attribute_array("devices", [&] {
      json.value("cpu");
      if (machine.nvrtc.library) json.value("emulator");
      if (machine.can_run_kernels())
        for (const cuda::Gpu& gpu : machine.gpus) json.value(device_name(gpu));
    });
  });
  out << "\n";
}

void run_doctor(const std::string& json_path) {
  const cuda::Machine machine = cuda::describe_machine();
  const Finding findings[] = {examine_driver(machine), examine_nvrtc(machine), examine_cublaslt(machine)};
  std::string text;
  llvm::raw_string_ostream out(text);
  const CacheFinding kernels = examine_cache();
  json_path.empty() ? print_text(out, machine, findings, kernels)
                    : print_json(out, machine, findings, kernels);
  write_text(json_path.empty() ? "-" : json_path, out.str());
}

}  // namespace

void add_doctor(CLI::App& program) {
  auto json_path = std::make_shared<std::string>();
  CLI::App* command =
      program.add_subcommand("doctor", "what this machine offers: driver, NVRTC, cuBLASLt, GPUs");
  command->add_option("--json", *json_path, "one JSON document to a file, or to standard output")
      ->expected(0, 1)
      ->default_str("-")
      ->type_name("[F|-]");
  command->callback([json_path] { run_doctor(*json_path); });
}

}  // namespace tenon::cli
