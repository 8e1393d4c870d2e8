// generate.cpp: `tenon generate`: tokens one after another from a model with a cache.
#include <cstdio>

#include "ir/diagnostics.h"
#include "ir/json.h"
#include "llvm/Support/Path.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/emulator_report.h"
#include "runtime/cli/model_options.h"
#include "runtime/cli/text_prompt.h"
#include "runtime/emulator/device/emulator_device.h"
#include "runtime/generation.h"
#include "runtime/generation_graphs.h"
#include "runtime/safetensors.h"

namespace tenon::cli {
namespace {

/// A file's integers as i64; `shape` is the file's.
std::vector<int64_t> integers_of(const FileTensor& tensor) {
  Type type{DType::kI64, Shape(tensor.shape.begin(), tensor.shape.end())};
  const Tensor values = to_declared(tensor, type, nullptr);
  std::vector<int64_t> integers;
  for (int64_t i = 0; i < values.elements(); ++i) integers.push_back(values.integer_at(i));
  return integers;
}

/// "1,2,3"
Prompts parse_tokens(llvm::StringRef text) {
  Prompts prompts;
  llvm::SmallVector<llvm::StringRef, 16> parts;
  text.split(parts, ',');
  for (llvm::StringRef part : parts) {
    int64_t id = 0;
    if (part.trim().getAsInteger(10, id))
      throw Error("--tokens: '" + part.str() + "' is no integer", {}, "--tokens 1,2,3 or F.safetensors");
    prompts.tokens.push_back(id);
  }
  prompts.rows = 1;
  prompts.width = static_cast<int64_t>(prompts.tokens.size());
  prompts.lengths = {prompts.width};
  return prompts;
}

/// `tokens` [B, T] or [T], and `lengths` [B] where rows are ragged.
Prompts read_tokens(const std::string& path) {
  const FileTensors file = read_safetensors(path);
  for (const auto& [name, tensor] : file)
    if (name != "tokens" && name != "lengths")
      throw Error("--tokens: " + path + " holds '" + name + "'", {},
                  "it may hold `tokens` [B, T] and `lengths` [B]; other inputs come by --inputs");
  const auto tokens = file.find("tokens"), lengths = file.find("lengths");
  if (tokens == file.end()) throw Error("--tokens: " + path + " holds no `tokens`");
  const FileTensor& ids = tokens->second;
  if (ids.shape.empty() || ids.shape.size() > 2)
    throw Error("--tokens: `tokens` must be [B, T], not " + ids.text() + " (" + path + ")");
  Prompts prompts;
  prompts.rows = ids.shape.size() == 2 ? ids.shape[0] : 1;
  prompts.width = ids.shape.back();
  prompts.tokens = integers_of(ids);
  prompts.lengths.assign(prompts.rows, prompts.width);
  if (lengths == file.end()) return prompts;
  if (lengths->second.shape != Extents{prompts.rows})
    throw Error("--tokens: `lengths` must be one for each row of `tokens` " + ids.text() + ", not " +
                lengths->second.text() + " (" + path + ")");
  prompts.lengths = integers_of(lengths->second);
  return prompts;
}

FileTensor zeros(const std::string& name, const Type& type) {
  auto tensor = std::make_shared<Tensor>(Tensor::zeros(type));
  return {name, "", file_type_of(type.dtype), extents_of(type.shape), tensor->data(), tensor};
}

struct Generate {
  ModelOptions options;
  GivenPaths paths;
  std::string tokens, tokenizer_file, outputs, state_out;
  std::vector<std::string> prompt;  // rows of text
  GenerationOptions wanted;
  Sampling sampling;
  CLI::Option *temperature = nullptr, *top_k = nullptr, *top_p = nullptr, *chunk = nullptr;

  std::vector<std::string> notes;
  std::unique_ptr<BoundModel> bound;
  std::shared_ptr<Device> device;
  std::unique_ptr<Generation> generation;
  std::optional<Tokenizer> tokenizer;  // of --prompt
  StopTokens stop;                     // which the files beside it name
  std::unique_ptr<RowPrinter> printer;
  Prompts rows;
  Generated result;

  Prompts prompts();
  Prompts read_prompts();
  void check_stop_tokens(const Graph& graph) const;
  void watch();
  void parse_sampling();
  void note(const std::vector<std::string>& more);
  std::unique_ptr<Graph> build(const Prompts& rows, const GivenTensors& given, int64_t tokens);
  Binding bind(const Graph& graph, GivenTensors& given) const;
  void prepare();
  void write_files() const;
  double tokens_per_second() const;
  std::string speed() const;
  std::string text() const;
  void print_rows();
  void write_texts(json::Writer& out) const;
  std::string json() const;
  void run();
};

/// Of --prompt: also the tokenizer, and the stop tokens beside it.
Prompts Generate::read_prompts() {
  const std::string file = find_tokenizer(tokenizer_file, paths.weights);
  tokenizer = Tokenizer::read(file);
  stop = read_stop_tokens(llvm::sys::path::parent_path(file).str(), *tokenizer);
  wanted.stop.insert(wanted.stop.end(), stop.ids.begin(), stop.ids.end());
  for (const int64_t id : stop.ids)
    note({"a row ends with token " + std::to_string(id) + " (" + stop.file + ")"});
  return encode_prompts(*tokenizer, prompt);
}

Prompts Generate::prompts() {
  if (!prompt.empty()) return read_prompts();
  if (tokens.empty())
    throw Error("generate needs a prompt", {}, "--prompt TEXT, --tokens 1,2,3 or --tokens F.safetensors");
  const bool numbers = tokens.find_first_not_of("0123456789,- ") == std::string::npos;
  return numbers ? parse_tokens(tokens) : read_tokens(tokens);
}

void Generate::parse_sampling() {
  if (chunk->count() && wanted.chunk < 1)
    throw Error("--chunk " + std::to_string(wanted.chunk) + ": at least 1");
  if (temperature->count()) wanted.sampling = sampling;
  if (!temperature->count() && (top_k->count() || top_p->count()))
    throw Error("--top-k and --top-p choose among draws, and without --temperature nothing is drawn", {},
                "--temperature 1");
}

void Generate::note(const std::vector<std::string>& more) {
  for (const std::string& one : more)
    if (!llvm::is_contained(notes, one)) notes.push_back(one);
}

/// The model's graph for so many tokens; the dims that it takes become those of `bound`.
std::unique_ptr<Graph> Generate::build(const Prompts& rows, const GivenTensors& given, int64_t count) {
  std::map<std::string, Extents> extents = given.input_extents();
  extents["tokens"] = {rows.rows, count};
  std::vector<std::string> defaulted;
  bound->dims = bound->model.bind(parse_dims(options.dims), extents, &defaulted);
  for (const std::string& name : defaulted)
    note({name + " is not bound: " + name + " = " + std::to_string(bound->dims.at(name)) + " (--dim " + name +
          "=VALUE)"});
  return bound->model.build(bound->dims);
}

Binding Generate::bind(const Graph& graph, GivenTensors& given) const {
  for (const Node& node : graph.nodes()) {
    if (node.op() != Op::kInput) continue;
    const std::string name = node.attributes.string("name").str();
    if (name == "tokens" || (name == "position" && !given.inputs.count(name)))
      given.inputs[name] = zeros(name, node.type());
  }
  return bind_tensors(graph, given, sampling.seed, false);
}

void Generate::prepare() {
  parse_policy(options.policy);
  if (!options.target.empty()) find_target(options.target);
  rows = prompts();
  if (rows.rows < 1 || rows.width < 1) throw Error("--tokens: `tokens` holds no prompt");
  const auto given = std::make_shared<GivenTensors>(open_tensors(paths));
  if (given->inputs.count("tokens"))
    throw Error("--inputs gives `tokens`", {}, "the prompt comes by --tokens or --prompt");
  if (given->state && !given->inputs.count("position"))
    throw Error("--state-in goes on where `position` says, and --inputs gives none", {},
                "the run before printed it as the next position");
  bound = std::make_unique<BoundModel>(BoundModel{Model::read(options.model), {}, {}, nullptr});
  const auto input_extents = *given;  // without what bind() adds
  const auto first = build(rows, input_extents, 1);
  check_stop_tokens(*first);
  GenerationModel model;
  model.binding = bind(*first, *given);
  note(model.binding.notes);
  model.device = device = make_device(options.device);
  model.build = [this, input_extents](int64_t count) { return build(rows, input_extents, count); };
  model.plan = [this](std::unique_ptr<Graph> graph) -> std::shared_ptr<const Plan> {
    bound->instead = graph.get();
    auto plan = bound->plan_on(options, *device);
    bound->instead = nullptr;
    return plan;
  };
  if (const auto* emulated = emulator_of(*device))
    model.after_run = [emulated] { emulator::require_no_findings(*emulated); };
  watch();
  generation = std::make_unique<Generation>(std::move(model), rows, wanted);
  note(bound->notes);
}

/// --stop is checked with everything else; these the user never saw.
void Generate::check_stop_tokens(const Graph& graph) const {
  const int64_t vocabulary = generation_ports(graph).logits->type().shape[2].extent();
  for (const int64_t id : stop.ids)
    if (id < 0 || id >= vocabulary)
      throw Error(stop.file + ": the end of a text is token " + std::to_string(id) + ", and `logits` has " +
                  std::to_string(vocabulary));
}

/// One row of text is printed while it is made.
void Generate::watch() {
  if (!tokenizer || rows.rows != 1 || !options.json.empty()) return;
  printer = std::make_unique<RowPrinter>(*tokenizer, wanted.stop);
  wanted.watch = [this](llvm::ArrayRef<int64_t> made) { printer->show(made); };
}

void Generate::write_files() const {
  if (!outputs.empty())
    write_safetensors(outputs, {{"tokens", result.tokens},
                                {"prefill_logits", result.prefill_logits},
                                {"decode_logits", result.decode_logits}});
  if (state_out.empty()) return;
  std::vector<std::pair<std::string, Tensor>> states;
  for (const auto& [name, tensor] : generation->state()) states.emplace_back(name, tensor);
  write_safetensors(state_out, states);
}

double Generate::tokens_per_second() const {
  const double made = static_cast<double>(result.decode_steps * result.tokens.type().shape[0].extent());
  return result.decode_us > 0 ? made / result.decode_us * 1e6 : 0;
}

std::vector<int64_t> row_of(const Tensor& tokens, int64_t row) {
  const int64_t columns = tokens.type().shape[1].extent();
  std::vector<int64_t> values;
  for (int64_t i = 0; i < columns; ++i) values.push_back(tokens.integer_at(row * columns + i));
  return values;
}

std::string Generate::speed() const {
  char line[160];
  std::snprintf(line, sizeof line, "first token after %.3f ms, then %.1f tokens/s", result.prefill_us / 1e3,
                tokens_per_second());
  std::string text = line;
  if (result.decode_launches) text += ", " + std::to_string(result.decode_launches) + " launches a token";
  return text;
}

std::string Generate::text() const {
  std::string text = bound->model.name() + "  " + device->description() + "\n";
  for (int64_t b = 0; b < rows.rows; ++b) {
    text += "  row " + std::to_string(b) + ":";
    for (int64_t id : row_of(result.tokens, b)) text += " " + std::to_string(id);
    text += "   (next position " + std::to_string(result.next[b]) + ")\n";
  }
  return text + "  " + speed() + "\n";
}

/// What --prompt prints: text alone, so that it can be piped; the rest are notes.
void Generate::print_rows() {
  if (printer) {
    printer->end();
  } else {
    for (int64_t b = 0; b < rows.rows; ++b)
      write_text("-", "row " + std::to_string(b) + ":\n" +
                          text_of_row(*tokenizer, row_of(result.tokens, b), wanted.stop) + "\n");
  }
  std::vector<std::string> about;
  for (int64_t b = 0; b < rows.rows; ++b)
    about.push_back("row " + std::to_string(b) + ": next position " + std::to_string(result.next[b]));
  about.push_back(speed());
  print_notes(options, about);
}

void Generate::write_texts(json::Writer& out) const {
  out.attribute_array("prompt_tokens", [&] {
    for (int64_t b = 0; b < rows.rows; ++b)
      out.value(llvm::makeArrayRef(rows.tokens).slice(b * rows.width, rows.lengths[b]));
  });
  out.attribute_array("text", [&] {
    for (int64_t b = 0; b < rows.rows; ++b)
      out.value(text_of_row(*tokenizer, row_of(result.tokens, b), wanted.stop));
  });
}

std::string Generate::json() const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  json::Writer out(stream, 2);
  out.object([&] {
    out.attribute("tenon", 1);
    out.attribute("model", bound->model.name());
    out.attribute("device", device->description());
    out.attribute("notes", notes);
    out.attribute_array("tokens", [&] {
      for (int64_t b = 0; b < rows.rows; ++b) out.value(row_of(result.tokens, b));
    });
    if (tokenizer) write_texts(out);
    out.attribute("next_position", result.next);
    out.attribute("first_token_us", result.prefill_us);
    out.attribute("decode_us", result.decode_us);
    out.attribute("decode_steps", result.decode_steps);
    out.attribute("tokens_per_s", tokens_per_second());
    out.attribute("launches_per_token", result.decode_launches);
  });
  return stream.str() + "\n";
}

void Generate::run() {
  parse_sampling();
  wanted.keep_logits = !outputs.empty();
  prepare();
  print_notes(options, notes);
  result = generation->run();
  write_files();
  if (!options.json.empty())
    write_text(options.json, json());
  else if (tokenizer)
    print_rows();
  else
    write_text("-", text());
}

void add_choice_options(CLI::App& command, Generate& state) {
  command.add_option("--steps", state.wanted.steps, "tokens after the first, which the prompt gives")
      ->required()
      ->type_name("N");
  command.add_option("--stop", state.wanted.stop, "a token that ends its row; may be repeated")
      ->type_name("ID")
      ->allow_extra_args(false);
  state.chunk = command.add_option("--chunk", state.wanted.chunk, "tokens of the prompt in a run at most")
                    ->type_name("N");
  state.temperature =
      command.add_option("--temperature", state.sampling.temperature, "draw tokens (greedy without)")
          ->type_name("T");
  state.top_k =
      command.add_option("--top-k", state.sampling.top_k, "draw among the K likeliest")->type_name("K");
  state.top_p = command
                    .add_option("--top-p", state.sampling.top_p,
                                "draw among the fewest that hold this probability together")
                    ->type_name("P");
  command.add_option("--seed", state.sampling.seed, "of draws, and of weights and inputs that are not given")
      ->type_name("N");
}

}  // namespace

void add_generate(CLI::App& program) {
  auto state = std::make_shared<Generate>();
  CLI::App* command =
      program.add_subcommand("generate", "tokens one after another from a model with a cache");
  add_model_options(*command, state->options);
  CLI::Option* tokens =
      command->add_option("--tokens", state->tokens, "the prompt, or `tokens` and `lengths`")
          ->type_name("1,2,3|F.safetensors");
  CLI::Option* prompt =
      command->add_option("--prompt", state->prompt, "the prompt as text; repeated, a row each")
          ->type_name("TEXT")
          ->excludes(tokens)
          ->allow_extra_args(false);
  command
      ->add_option("--tokenizer", state->tokenizer_file,
                   "of --prompt (tokenizer.json beside the weights without)")
      ->type_name("F.json|DIR")
      ->needs(prompt);
  add_choice_options(*command, *state);
  command
      ->add_option("--weights", state->paths.weights,
                   "a safetensors file, its index, or a folder; may be repeated")
      ->type_name("F.safetensors|DIR")
      ->allow_extra_args(false);
  command->add_option("--inputs", state->paths.inputs, "`position` (0 without) and other inputs by name")
      ->type_name("F.safetensors");
  command->add_option("--outputs", state->outputs, "write tokens, prefill_logits and decode_logits")
      ->type_name("F.safetensors");
  command->add_option("--state-in", state->paths.state, "states before the prompt (zero without)")
      ->type_name("F.safetensors");
  command->add_option("--state-out", state->state_out, "write the states after the last step")
      ->type_name("F.safetensors");
  command->callback([state] { state->run(); });
}

}  // namespace tenon::cli
