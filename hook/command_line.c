/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/command_line.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

/* Where an option may stand. */
enum {
    GLOBAL = 1 << 0,
    CREATE = 1 << 1,
    RUN = 1 << 2,
    START = 1 << 3,
    EXEC = 1 << 4,
};

enum meaning {
    MEANING_NONE, /* the runtime's business */
    MEANING_LOGGING,
    MEANING_LOG,
    MEANING_LOG_FORMAT,
    MEANING_HELP,
    MEANING_VERSION,
    MEANING_ROOT,
    MEANING_BUNDLE,
    MEANING_CONFIG,
    MEANING_PROCESS,
    MEANING_CAPABILITY,
    MEANING_PRESERVE_FDS,
};

struct option {
    const char *name;
    char letter;
    bool has_value;
    unsigned places;
    enum meaning meaning;
};

/* All options of runc 1.1 to 1.5 and crun 1.8 to 1.27. Where both have one they agree on whether it has a
 * value, and none is the beginning of another's name that crun might take it for. */
static const struct option OPTIONS[] = {
    {"additional-gids", 'g', true, EXEC, MEANING_NONE},
    {"apparmor", '\0', true, EXEC, MEANING_NONE},
    {"bundle", 'b', true, CREATE | RUN, MEANING_BUNDLE},
    {"cap", 'c', true, EXEC, MEANING_CAPABILITY},
    {"cgroup", '\0', true, EXEC, MEANING_NONE},
    {"cgroup-manager", '\0', true, GLOBAL, MEANING_NONE},
    {"config", 'f', true, CREATE | RUN, MEANING_CONFIG},
    {"console-socket", '\0', true, CREATE | RUN | EXEC, MEANING_NONE},
    {"criu", '\0', true, GLOBAL, MEANING_NONE},
    {"cwd", '\0', true, EXEC, MEANING_NONE},
    {"debug", '\0', false, GLOBAL, MEANING_LOGGING},
    {"detach", 'd', false, RUN | EXEC, MEANING_NONE},
    {"env", 'e', true, EXEC, MEANING_NONE},
    {"help", 'h', false, GLOBAL | CREATE | RUN | START | EXEC, MEANING_HELP},
    {"ignore-paused", '\0', false, EXEC, MEANING_NONE},
    {"keep", '\0', false, RUN, MEANING_NONE},
    {"log", '\0', true, GLOBAL, MEANING_LOG},
    {"log-format", '\0', true, GLOBAL, MEANING_LOG_FORMAT},
    {"log-level", '\0', true, GLOBAL, MEANING_LOGGING},
    {"no-new-keyring", '\0', false, CREATE | RUN, MEANING_NONE},
    {"no-new-privs", '\0', false, EXEC, MEANING_NONE},
    {"no-pivot", '\0', false, CREATE | RUN, MEANING_NONE},
    {"no-subreaper", '\0', false, CREATE | RUN, MEANING_NONE},
    {"pid-file", '\0', true, CREATE | RUN | EXEC, MEANING_NONE},
    {"pidfd-socket", '\0', true, CREATE | RUN | EXEC, MEANING_NONE},
    {"preserve-fds", '\0', true, CREATE | RUN | EXEC, MEANING_PRESERVE_FDS},
    {"process", 'p', true, EXEC, MEANING_PROCESS},
    {"process-label", '\0', true, EXEC, MEANING_NONE},
    {"root", '\0', true, GLOBAL, MEANING_ROOT},
    {"rootless", '\0', true, GLOBAL, MEANING_NONE},
    {"systemd-cgroup", '\0', false, GLOBAL, MEANING_NONE},
    {"tty", 't', false, EXEC, MEANING_NONE},
    {"user", 'u', true, EXEC, MEANING_NONE},
    {"version", 'v', false, GLOBAL, MEANING_VERSION},
};

/* All verbs that may pass. One that is not here might make a container, or open one (crun's `mounts`). */
static const struct verb {
    const char *name;
    enum command_verb verb;
    unsigned place; /* 0: its options are not looked at */
} VERBS[] = {
    {"create", COMMAND_CREATE, CREATE}, {"run", COMMAND_RUN, RUN},
    {"start", COMMAND_START, START},    {"exec", COMMAND_EXEC, EXEC},
    {"restore", COMMAND_RESTORE, 0},    {"checkpoint", COMMAND_OTHER, 0},
    {"delete", COMMAND_OTHER, 0},       {"events", COMMAND_OTHER, 0},
    {"features", COMMAND_OTHER, 0},     {"h", COMMAND_OTHER, 0},
    {"help", COMMAND_OTHER, 0},         {"kill", COMMAND_OTHER, 0},
    {"list", COMMAND_OTHER, 0},         {"pause", COMMAND_OTHER, 0},
    {"ps", COMMAND_OTHER, 0},           {"resume", COMMAND_OTHER, 0},
    {"spec", COMMAND_OTHER, 0},         {"state", COMMAND_OTHER, 0},
    {"update", COMMAND_OTHER, 0},
};

/* The arguments as they are read, and what they said. */
struct reader {
    struct command_line line;
    size_t next;      /* index in line.arguments */
    const char *verb; /* NULL: not there yet */
    unsigned place;
    bool help;
    bool version;
};

/* One option as it was given. */
struct given {
    const struct option *option;
    const char *value; /* NULL: none */
    size_t first;      /* index of the option's element */
};

/* Characters that no runtime strips or takes for anything else: later versions of runc trim white space,
 * Unicode's too, from options and names. */
static bool is_graphic(char character)
{
    return character > ' ' && character < 0x7f;
}

static bool is_positional(const char *argument)
{
    return argument[0] != '-' || argument[1] == '\0';
}

/* --- options ------------------------------------------------------------------------------------- */

static const struct option *find_option(unsigned place, const char *name, size_t length)
{
    for (size_t i = 0; i < array_size(OPTIONS); i++)
        if ((OPTIONS[i].places & place) != 0 && strlen(OPTIONS[i].name) == length &&
            memcmp(OPTIONS[i].name, name, length) == 0)
            return &OPTIONS[i];
    return NULL;
}

static const struct option *find_letter(unsigned place, char letter)
{
    for (size_t i = 0; i < array_size(OPTIONS); i++)
        if ((OPTIONS[i].places & place) != 0 && OPTIONS[i].letter == letter)
            return &OPTIONS[i];
    return NULL;
}

static bool is_own_option(const char *argument)
{
    static const char *const OWN[] = {"--network", "--role", "--runtime"};
    size_t length = strcspn(argument, "=");

    for (size_t i = 0; i < array_size(OWN); i++)
        if (strlen(OWN[i]) == length && memcmp(OWN[i], argument, length) == 0)
            return true;
    return false;
}

static int refuse_unknown(const struct reader *reader, const char *argument, struct error *err)
{
    if (reader->verb == NULL && is_own_option(argument)) {
        error_set(err, 0, "%.64s stands behind an option of the runtime", argument);
        return error_advise(err, "put --network, --role and --runtime first");
    }
    if (reader->verb == NULL)
        error_set(err, 0, "global option `%.64s`: " COMMAND_LINE_PROGRAM " does not know it", argument);
    else
        error_set(err, 0, "option `%.64s` of %s: " COMMAND_LINE_PROGRAM " does not know it", argument,
                  reader->verb);
    return error_advise(err, "leave it out: what it does to the container cannot be told");
}

/* `-x` alone: what follows the letter is read differently by runc (-bundle, -b=DIR) and crun (-bDIR). *ret is
 * NULL if there is none. */
static int find_short(const struct reader *reader, const char *argument, const struct option **ret,
                      struct error *err)
{
    const struct option *option = find_letter(reader->place, argument[1]);

    if (option != NULL && argument[2] != '\0') {
        error_set(err, 0, "option `%.64s`: runtimes read this spelling differently", argument);
        return error_advise(err, "write --%s%s", option->name, option->has_value ? " VALUE" : "");
    }
    *ret = option;
    return 0;
}

/* The value behind `=`. */
static int take_attached(const struct option *option, const char *argument, const char *value,
                         struct error *err)
{
    if (!is_graphic(argument[strlen(argument) - 1])) {
        error_set(err, 0, "option `%.64s`: some runtimes strip its last character", argument);
        return error_advise(err, "write --%s VALUE", option->name);
    }
    if (option->has_value || ((strcmp(value, "true") == 0 || strcmp(value, "false") == 0) &&
                              option->meaning != MEANING_HELP && option->meaning != MEANING_VERSION))
        return 0;
    error_set(err, 0, "option `%.64s`: --%s has no value", argument, option->name);
    return error_advise(err, "write --%s alone, or leave it out", option->name);
}

/* Takes the next option and its value. */
static int take_option(struct reader *reader, struct given *ret, struct error *err)
{
    const char *argument = reader->line.arguments[reader->next];
    const char *equals = argument[1] == '-' ? strchr(argument, '=') : NULL;
    struct given given = {.first = reader->next, .value = equals != NULL ? equals + 1 : NULL};
    int result = 0;

    if (argument[1] != '-')
        result = find_short(reader, argument, &given.option, err);
    else
        given.option = find_option(reader->place, argument + 2, strcspn(argument + 2, "="));
    if (result == 0 && given.option == NULL)
        return refuse_unknown(reader, argument, err);
    if (result == 0 && equals != NULL)
        result = take_attached(given.option, argument, given.value, err);
    if (result != 0)
        return result;
    reader->next++;
    if (given.option->has_value && given.value == NULL) {
        given.value = reader->line.arguments[reader->next];
        if (given.value == NULL)
            return error_set(err, 0, "option `%s`: its value is missing", argument);
        reader->next++;
    }
    *ret = given;
    return 0;
}

/* --- before the verb ----------------------------------------------------------------------------- */

/* Global options that say where things are, not what is logged, can be given to another verb. */
static void keep_global(struct reader *reader, const struct given *given)
{
    for (size_t i = given->first; i < reader->next; i++)
        reader->line.globals[reader->line.globals_count++] = reader->line.arguments[i];
}

static void read_global(struct reader *reader, const struct given *given)
{
    switch (given->option->meaning) {
    case MEANING_LOG:
        reader->line.log = given->value;
        break;
    case MEANING_LOG_FORMAT:
        reader->line.log_json = given->value != NULL && strcmp(given->value, "json") == 0;
        break;
    case MEANING_HELP:
        reader->help = true;
        break;
    case MEANING_VERSION:
        reader->version = true;
        break;
    case MEANING_ROOT:
        reader->line.root = given->value;
        keep_global(reader, given);
        break;
    case MEANING_NONE:
        keep_global(reader, given);
        break;
    case MEANING_LOGGING:
    default:
        break;
    }
}

static int read_globals(struct reader *reader, struct error *err)
{
    const char *argument = NULL;

    while ((argument = reader->line.arguments[reader->next]) != NULL && !is_positional(argument)) {
        struct given given;
        int result = 0;

        if (strcmp(argument, "--") == 0) {
            error_set(err, 0, "`--` before the verb is not needed");
            return error_advise(err, "leave it out");
        }
        result = take_option(reader, &given, err);
        if (result != 0)
            return result;
        read_global(reader, &given);
    }
    return 0;
}

/* Takes the verb. Only exact names: a runtime that strips spaces, or guesses, must not run what passed here
 * as something else. */
static int read_verb(struct reader *reader, struct error *err)
{
    const char *name = reader->line.arguments[reader->next];

    reader->place = 0;
    if (name == NULL)
        return 0;
    for (size_t i = 0; i < array_size(VERBS); i++) {
        if (strcmp(VERBS[i].name, name) != 0)
            continue;
        reader->next++;
        reader->line.verb = VERBS[i].verb;
        reader->place = VERBS[i].place;
        reader->verb = VERBS[i].name;
        return 0;
    }
    error_set(err, 0, "verb `%.64s`: " COMMAND_LINE_PROGRAM " does not know it", name);
    return error_advise(err, "call the runtime itself if it is not about a sealed container");
}

/* --- behind the verb ----------------------------------------------------------------------------- */

static int set_once(const char **ret, const struct given *given, struct error *err)
{
    if (*ret != NULL) {
        error_set(err, 0, "--%s is given twice", given->option->name);
        return error_advise(err, "give it once");
    }
    if (given->value[0] == '\0') {
        error_set(err, 0, "--%s is empty", given->option->name);
        return error_advise(err, "name a path");
    }
    *ret = given->value;
    return 0;
}

static int refuse_config_option(struct error *err)
{
    error_set(err, 0, "--config would run a container by a file that has not been edited");
    return error_advise(err, "put it into the bundle as config.json");
}

/* Only a plain 0: runtimes do not agree on the base of 010. */
static int check_preserve_fds(const char *value, struct error *err)
{
    if (strcmp(value, "0") == 0)
        return 0;
    error_set(err, 0, "--preserve-fds would hand sockets of the host into the container");
    return error_advise(err, "drop --preserve-fds");
}

static int read_option(struct reader *reader, const struct given *given, struct error *err)
{
    struct command_line *line = &reader->line;
    int result = 0;

    switch (given->option->meaning) {
    case MEANING_BUNDLE:
        return set_once(&line->bundle, given, err);
    case MEANING_CONFIG:
        return refuse_config_option(err);
    case MEANING_PROCESS:
        result = set_once(&line->process_file, given, err);
        if (result == 0)
            line->process = reader->next - 1;
        return result;
    case MEANING_CAPABILITY:
        line->capabilities[line->capabilities_count++] = given->value;
        return 0;
    case MEANING_PRESERVE_FDS:
        return check_preserve_fds(given->value, err);
    case MEANING_HELP:
        reader->help = true;
        return 0;
    default:
        return 0;
    }
}

static int read_options(struct reader *reader, struct error *err)
{
    const char *argument = NULL;

    while ((argument = reader->line.arguments[reader->next]) != NULL && !is_positional(argument)) {
        struct given given;
        int result = 0;

        if (strcmp(argument, "--") == 0) {
            reader->next++;
            return 0;
        }
        result = take_option(reader, &given, err);
        if (result == 0)
            result = read_option(reader, &given, err);
        if (result < 0)
            return result;
    }
    return 0;
}

static int check_id(const char *id, struct error *err)
{
    bool valid = id[0] != '\0' && id[0] != '-';

    for (const char *character = id; *character != '\0'; character++)
        valid = valid && is_graphic(*character) && *character != '/';
    if (valid)
        return 0;
    error_set(err, 0, "`%.64s` is not a container's id", id);
    return error_advise(err, "use letters, digits and _ + - . only, and no hyphen at its beginning");
}

/* Takes the id, and for anything but exec the end: runc reads options behind the id, crun does not. */
static int read_id(struct reader *reader, struct error *err)
{
    const char *id = reader->line.arguments[reader->next];
    const char *behind = NULL;
    int result = 0;

    if (id == NULL) {
        error_set(err, 0, "%s: the container's id is missing", reader->verb);
        return error_advise(err, "put it behind the options");
    }
    result = check_id(id, err);
    if (result < 0)
        return result;
    reader->next++;
    behind = reader->line.arguments[reader->next];
    if (behind != NULL && reader->place != EXEC) {
        error_set(err, 0, "%s: `%.64s` stands behind the container's id", reader->verb, behind);
        return error_advise(err, "put options before the id, and give one id");
    }
    reader->line.id = id;
    return 0;
}

/* Forgets what was learnt of a command that only asks for help: the runtime will answer. Nothing may stand
 * behind that could take the request back. */
static int read_help(struct reader *reader, struct error *err)
{
    struct command_line *line = &reader->line;

    if (line->arguments[reader->next] != NULL) {
        error_set(err, 0, "%s --help: there is more behind it", reader->verb);
        return error_advise(err, "give --help alone");
    }
    line->verb = COMMAND_OTHER;
    line->bundle = NULL;
    line->process_file = NULL;
    line->process = 0;
    line->capabilities_count = 0;
    return 0;
}

static int read_edited_verb(struct reader *reader, struct error *err)
{
    int result = read_options(reader, err);

    if (result < 0)
        return result;
    return reader->help ? read_help(reader, err) : read_id(reader, err);
}

/* --- the program's own --------------------------------------------------------------------------- */

/* Takes `--option VALUE` or `--option=VALUE` if it is the next, else leaves *ret. */
static int take_own(struct reader *reader, const char *option, const char **ret, struct error *err)
{
    const char *argument = reader->line.arguments[reader->next];
    size_t length = strlen(option);
    const char *value = NULL;

    if (argument == NULL || strncmp(argument, option, length) != 0 ||
        (argument[length] != '=' && argument[length] != '\0'))
        return 0;
    value = argument[length] == '=' ? argument + length + 1 : reader->line.arguments[++reader->next];
    if (value == NULL)
        return error_set(err, 0, "option `%s`: its value is missing", option);
    reader->next++;
    if (*ret != NULL) {
        error_set(err, 0, "%s is given twice", option);
        return error_advise(err, "give it once");
    }
    *ret = value;
    return 1;
}

static int read_own_options(struct reader *reader, struct selection *ret_pin, struct error *err)
{
    int taken = 0;

    do {
        taken = take_own(reader, "--network", &ret_pin->network, err);
        if (taken == 0)
            taken = take_own(reader, "--role", &ret_pin->role, err);
        if (taken == 0)
            taken = take_own(reader, "--runtime", &reader->line.runtime, err);
    } while (taken > 0);
    return taken;
}

static int check_runtime(const char *runtime, struct error *err)
{
    if (runtime == NULL || runtime[0] == '/')
        return 0;
    error_set(err, 0, "--runtime `%.64s` is not an absolute path", runtime);
    return error_advise(err, "name the runtime from / on, for example /usr/bin/runc");
}

static int refuse_name(const char *base, struct error *err)
{
    error_set(err, 0, "the name of the program, `%.64s`, does not name a network and a role", base);
    return error_advise(err, "call it " COMMAND_LINE_PROGRAM ", " COMMAND_LINE_PROGRAM
                             ".NETWORK or " COMMAND_LINE_PROGRAM ".NETWORK.ROLE, each " POLICY_NAME_RULE);
}

/* What the name of the program pins. A name that was meant to pin and is mistyped must not pin nothing. */
static int read_name(const char *path, struct command_line *line, struct error *err)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    size_t length = strlen(COMMAND_LINE_PROGRAM);
    char *dot = NULL;

    if (strcmp(base, COMMAND_LINE_PROGRAM) == 0)
        return 0;
    /* Also where a link of another name leads to one that pins: the kernel tells the first name only. */
    if (strncmp(base, COMMAND_LINE_PROGRAM, length) != 0 || base[length] != '.')
        return refuse_name(base, err);
    line->name = strdup(base + length + 1);
    if (line->name == NULL)
        return error_set(err, ENOMEM, "read the name of the program");
    line->pin.network = line->name;
    dot = strchr(line->name, '.');
    if (dot != NULL) {
        *dot = '\0';
        line->pin.role = dot + 1;
    }
    if (!policy_name_valid(line->pin.network) ||
        (line->pin.role != NULL && !policy_name_valid(line->pin.role)))
        return refuse_name(base, err);
    return 0;
}

/* Adds an option to what the name pins. */
static int merge_pin(const char *what, const char **pin, const char *option, struct error *err)
{
    if (option != NULL && *pin != NULL && strcmp(option, *pin) != 0) {
        error_set(err, 0, "the name of the program pins %s %s, but --%s says %s", what, *pin, what, option);
        return error_advise(err, "drop --%s, or use another name", what);
    }
    if (option != NULL)
        *pin = option;
    return 0;
}

/* What the name and the options pin together. */
static int read_pin(const char *name, const struct selection *options, struct command_line *line,
                    struct error *err)
{
    int result = selection_check_pin(options, err);

    if (result == 0)
        result = check_runtime(line->runtime, err);
    if (result == 0)
        result = read_name(name, line, err);
    if (result == 0)
        result = merge_pin("network", &line->pin.network, options->network, err);
    return result < 0 ? result : merge_pin("role", &line->pin.role, options->role, err);
}

/* --- all of it ----------------------------------------------------------------------------------- */

static int read_command(struct reader *reader, struct error *err)
{
    int result = read_verb(reader, err);

    if (result < 0)
        return result;
    if (!reader->help && !reader->version)
        return reader->place != 0 ? read_edited_verb(reader, err) : 0;
    if (reader->verb != NULL) {
        error_set(err, 0, "%s and a verb", reader->help ? "--help" : "--version");
        return error_advise(err, "give one of them");
    }
    reader->line.verb = reader->help ? COMMAND_HELP : COMMAND_VERSION;
    return 0;
}

/* The global options come before any complaint about pins: they say where the engine will look for it. */
static int parse(const char *name, struct reader *reader, struct error *err)
{
    struct selection options = {0};
    int result = read_own_options(reader, &options, err);

    if (result < 0)
        return result;
    reader->line.arguments += reader->next;
    reader->next = 0;
    result = read_globals(reader, err);
    if (result == 0)
        result = read_pin(name, &options, &reader->line, err);
    return result < 0 ? result : read_command(reader, err);
}

int command_line_parse(const char *name, int argc, char **argv, struct command_line *ret, struct error *err)
{
    struct reader reader = {.place = GLOBAL, .line.arguments = argv + (argc > 0)};
    size_t most = argc > 0 ? (size_t)argc : 1;
    int result = 0;

    reader.line.globals = calloc(most, sizeof(*reader.line.globals));
    reader.line.capabilities = calloc(most, sizeof(*reader.line.capabilities));
    if (reader.line.globals == NULL || reader.line.capabilities == NULL)
        result = error_set(err, ENOMEM, "read the command line");
    if (result == 0)
        result = parse(name, &reader, err);
    if (result < 0) {
        command_line_free(&reader.line);
        ret->log = reader.line.log;
        ret->log_json = reader.line.log_json;
        return result;
    }
    *ret = reader.line;
    return 0;
}

void command_line_set_process(struct command_line *command, char *argument)
{
    char **element = &command->arguments[command->process];
    bool attached = command->process_file != *element;

    if (attached) {
        *element = argument;
        return;
    }
    element[-1] = argument;
    do {
        element[0] = element[1];
    } while (*element++ != NULL);
}

void command_line_free(struct command_line *command)
{
    free(command->globals);
    free(command->capabilities);
    free(command->name);
    command->globals = NULL;
    command->capabilities = NULL;
    command->name = NULL;
}
