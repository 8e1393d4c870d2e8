// cache.cpp: `tenon cache`: what the cache of compiled kernels holds, whether it is sound, why a model's kernels are not in it.
#include <ctime>

#include "codegen/embedded.h"
#include "ir/diagnostics.h"
#include "ir/json.h"
#include "passes/quantity.h"
#include "runtime/cache/compiler.h"
#include "runtime/cache/differences.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/model_options.h"
#include "runtime/cuda/machine.h"

namespace tenon::cli {
namespace {

using cache::StoredEntry;

/// The cache as it stands; nothing where none has been made.
std::optional<cache::Store> existing_store() {
  const cache::Settings settings = cache::settings_from_environment();
  std::optional<cache::Folder> folder = cache::Folder::find(settings.kernel_folder());
  if (!folder) return std::nullopt;
  return cache::Store(std::move(*folder), settings);
}

std::string place() { return cache::settings_from_environment().kernel_folder(); }

/// "-arch=sm_90a" of an entry's options, without the words before it.
std::string arch_of(const cache::Entry& entry) {
  for (llvm::StringRef option : entry.key.options)
    if (option.consume_front("-arch=")) return option.str();
  return "";
}

const char* kind_of(const StoredEntry& stored) {
  if (!stored.problem.empty()) return "damaged";
  if (!stored.entry.refusal.empty()) return "refused";
  return llvm::StringRef(arch_of(stored.entry)).startswith("compute_") ? "ptx" : "cubin";
}

std::string tell_age(time_t since) {
  const auto seconds = static_cast<int64_t>(std::difftime(time(nullptr), since));
  if (seconds < 120) return tell_count(seconds, "second", "seconds");
  if (seconds < 7200) return tell_count(seconds / 60, "minute", "minutes");
  if (seconds < 172800) return tell_count(seconds / 3600, "hour", "hours");
  return tell_count(seconds / 86400, "day", "days");
}

std::string short_key(const cache::Digest& key) { return cache::hex(key).substr(0, 12); }

/// One JSON document of the attributes that `fill` writes.
std::string json_text(llvm::function_ref<void(json::Writer&)> fill) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  json::Writer out(stream, 2);
  out.object([&] {
    out.attribute("tenon", 1);
    out.attribute("folder", place());
    fill(out);
  });
  return stream.str() + "\n";
}

void write_entry(json::Writer& out, const StoredEntry& stored) {
  out.object([&] {
    out.attribute("key", cache::hex(stored.key));
    out.attribute("kernel", stored.entry.key.kernel);
    out.attribute("arch", arch_of(stored.entry));
    out.attribute("kind", kind_of(stored));
    out.attribute("problem", stored.problem);
    out.attribute("compiler", stored.entry.key.compiler);
    out.attribute("bytes", stored.file.bytes);
    out.attribute("compile_ms", stored.entry.milliseconds);
    out.attribute("used", static_cast<int64_t>(stored.file.changed.tv_sec));
  });
}

void list(const std::string& json_path) {
  const std::optional<cache::Store> store = existing_store();
  const std::vector<StoredEntry> entries = store ? store->entries() : std::vector<StoredEntry>();
  int64_t bytes = 0;
  for (const StoredEntry& stored : entries) bytes += stored.file.bytes;
  if (!json_path.empty())
    return write_text(json_path, json_text([&](json::Writer& out) {
                        out.attribute("bytes", bytes);
                        out.attribute_array("entries", [&] {
                          for (const StoredEntry& stored : entries) write_entry(out, stored);
                        });
                      }));
  std::string text = place() + ": " + tell_count(static_cast<int64_t>(entries.size()), "kernel", "kernels") +
                     ", " + tell_bytes(static_cast<double>(bytes)) + "\n";
  for (const StoredEntry& stored : entries)
    text +=
        format("  %s  %-32s %-12s %-8s %9s  compiled in %6.0f ms, used %s ago\n",
               short_key(stored.key).c_str(), stored.entry.key.kernel.c_str(), arch_of(stored.entry).c_str(),
               kind_of(stored), tell_bytes(static_cast<double>(stored.file.bytes)).c_str(),
               stored.entry.milliseconds, tell_age(stored.file.changed.tv_sec).c_str());
  write_text("-", text);
}

/// Reads each entry in full and removes what is damaged.
void verify(const std::string& json_path) {
  const std::optional<cache::Store> store = existing_store();
  std::vector<StoredEntry> bad;
  int64_t good = 0;
  if (store)
    for (StoredEntry& stored : store->entries(true)) {
      if (stored.problem.empty()) {
        ++good;
        continue;
      }
      store->folder().remove(stored.file.name);
      bad.push_back(std::move(stored));
    }
  std::string text = place() + ": " + tell_count(good, "sound kernel", "sound kernels") + "\n";
  for (const StoredEntry& stored : bad)
    text += "  removed " + short_key(stored.key) + ": " + stored.problem + "\n";
  if (!json_path.empty())
    text = json_text([&](json::Writer& out) {
      out.attribute("sound", good);
      out.attribute_array("removed", [&] {
        for (const StoredEntry& stored : bad) write_entry(out, stored);
      });
    });
  write_text(json_path.empty() ? "-" : json_path, text);
  if (!bad.empty())
    throw Error(tell_count(static_cast<int64_t>(bad.size()), "kernel was", "kernels were") +
                    " damaged and will be compiled again",
                {}, "", Status::kCheckFailed);
}

void clear(const std::string& json_path) {
  const std::optional<cache::Store> store = existing_store();
  const int64_t removed = store ? store->clear() : 0;
  if (!json_path.empty())
    return write_text(json_path, json_text([&](json::Writer& out) { out.attribute("removed", removed); }));
  write_text("-", place() + ": " + tell_count(removed, "kernel", "kernels") + " removed\n");
}

/// A kernel of the model, as the cache knows it.
struct Answer {
  std::string kernel;
  cache::Digest key{};
  bool cacheable = true, there = false, refused = false;
  const StoredEntry* nearest = nullptr;
  std::vector<cache::Difference> differences;
};

const char* part_name(cache::Difference::Part part) {
  constexpr const char* kNames[] = {"kernel", "compiler", "options", "headers", "source"};
  return kNames[part];
}

/// The compiler that the device named in the options would get.
cuda::NvrtcIdentity compiler_for(const ModelOptions& options, const cache::Store* store) {
  std::optional<cuda::DriverApi> driver;  // a GPU's driver decides which of two versions is taken
  if (llvm::StringRef(options.device).startswith("cuda")) driver = cuda::describe_gpus().api;
  return cache::LazyNvrtc(store, driver ? driver->version : 0).identity();
}

std::vector<Answer> ask(const Plan& plan, const ModelOptions& options, const cache::Store* store,
                        llvm::ArrayRef<StoredEntry> entries) {
  const cuda::NvrtcIdentity compiler = compiler_for(options, store);
  const bool cubin = !llvm::StringRef(options.device).startswith("emulator");  // which runs PTX
  cache::HeaderIndex headers(embedded_templates());
  std::vector<Answer> answers;
  for (const Kernel& kernel : plan.kernels) {
    if (kernel.emitted.source.empty()) continue;
    const auto parts =
        cache::key_parts({kernel.emitted.name + ".cu", kernel.emitted.source, plan.target.card.arch, cubin},
                         compiler, headers);
    Answer answer;
    answer.kernel = kernel.emitted.name;
    answer.cacheable = parts.has_value();
    if (parts) answer.key = cache::key_of(*parts);
    if (const auto entry = store && parts ? store->load(answer.key) : std::nullopt) {
      answer.there = true;
      answer.refused = !entry->refusal.empty();
    } else if (parts && (answer.nearest = cache::nearest_entry(*parts, entries))) {
      answer.differences = cache::differences(*parts, answer.nearest->entry.key);
    }
    answers.push_back(std::move(answer));
  }
  return answers;
}

std::string told(const Answer& answer) {
  std::string text = format("  %-32s ", answer.kernel.c_str());
  if (answer.there)
    return text +
           (answer.refused ? "hit   refused by the compiler\n" : "hit   " + short_key(answer.key) + "\n");
  if (!answer.cacheable) return text + "miss  what it includes is not known\n";
  if (!answer.nearest) return text + "miss  no entry of this name\n";
  if (answer.differences.empty()) return text + "miss  its entry was damaged\n";
  text += "miss  nearest " + short_key(answer.nearest->key) + "\n";
  for (const cache::Difference& one : answer.differences)
    text += format("  %-32s       %s: ", "", part_name(one.part)) + one.text + "\n";
  return text;
}

void write_answer(json::Writer& out, const Answer& answer) {
  out.object([&] {
    out.attribute("kernel", answer.kernel);
    out.attribute("key", cache::hex(answer.key));
    out.attribute("hit", answer.there);
    out.attribute("refused", answer.refused);
    out.attribute("cacheable", answer.cacheable);
    out.attribute("nearest", answer.nearest ? cache::hex(answer.nearest->key) : "");
    out.attribute_array("differences", [&] {
      for (const cache::Difference& one : answer.differences)
        out.object([&] {
          out.attribute("part", part_name(one.part));
          out.attribute("text", one.text);
        });
    });
  });
}

void why(const ModelOptions& options) {
  BoundModel bound = BoundModel::read(options);
  const auto plan = bound.plan_to_show(options);
  print_notes(options, bound.notes);
  const std::optional<cache::Store> store = existing_store();
  const std::vector<StoredEntry> entries = store ? store->entries() : std::vector<StoredEntry>();
  const std::vector<Answer> answers = ask(*plan, options, store ? &*store : nullptr, entries);
  if (!options.json.empty())
    return write_text(options.json, json_text([&](json::Writer& out) {
                        out.attribute("model", plan->model);
                        out.attribute_array("kernels", [&] {
                          for (const Answer& answer : answers) write_answer(out, answer);
                        });
                      }));
  int64_t hits = 0;
  for (const Answer& answer : answers) hits += answer.there;
  std::string text = place() + ": " + tell_count(hits, "hit", "hits") + ", " +
                     tell_count(static_cast<int64_t>(answers.size()) - hits, "miss", "misses") + "\n";
  for (const Answer& answer : answers) text += told(answer);
  write_text("-", text);
}

void add_plain(CLI::App& command, const char* name, const char* help, void (*run)(const std::string&)) {
  auto json_path = std::make_shared<std::string>();
  CLI::App* sub = command.add_subcommand(name, help);
  sub->add_option("--json", *json_path, "one JSON document to a file, or to standard output")
      ->expected(0, 1)
      ->default_str("-")
      ->type_name("[F|-]");
  sub->callback([json_path, run] { run(*json_path); });
}

}  // namespace

void add_cache(CLI::App& program) {
  CLI::App* command = program.add_subcommand("cache", "the compiled kernels that outlive a process");
  command->require_subcommand(1);
  add_plain(*command, "ls", "what is there, the last used first", list);
  add_plain(*command, "verify", "read everything, remove what is damaged (then the exit status is 1)",
            verify);
  add_plain(*command, "clear", "remove all of it", clear);
  auto options = std::make_shared<ModelOptions>();
  CLI::App* sub =
      command->add_subcommand("why", "for each kernel of a model: is it there, and if not, what differs");
  add_model_options(*sub, *options);
  sub->callback([options] { why(*options); });
}

}  // namespace tenon::cli
