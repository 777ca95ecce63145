/* Counts lines, words and bytes: wc-c [-lwc] [-o REPORT] [FILE...]
   Without files, or for `-`, it reads standard input. With -o the counts go to a file. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct counts {
    unsigned long long lines, words, bytes;
};

static int want_lines, want_words, want_bytes;

static void complain(const char *name) {
    fprintf(stderr, "wc-c: %s: %s\n", name, strerror(errno));
}

/* Adds what the file holds to the counts; 0 if all went well. */
static int count(FILE *in, struct counts *counts) {
    unsigned char buffer[16384];
    size_t n;
    int in_word = 0;
    while ((n = fread(buffer, 1, sizeof buffer, in)) > 0) {
        counts->bytes += n;
        for (size_t i = 0; i < n; i++) {
            if (buffer[i] == '\n') counts->lines++;
            int space = isspace(buffer[i]);
            if (!space && !in_word) counts->words++;
            in_word = !space;
        }
    }
    return ferror(in) ? -1 : 0;
}

static void print(FILE *out, const struct counts *counts, const char *name) {
    const char *gap = "";
    if (want_lines) fprintf(out, "%s%7llu", gap, counts->lines), gap = " ";
    if (want_words) fprintf(out, "%s%7llu", gap, counts->words), gap = " ";
    if (want_bytes) fprintf(out, "%s%7llu", gap, counts->bytes), gap = " ";
    if (name) fprintf(out, " %s", name);
    fputc('\n', out);
}

int main(int argc, char **argv) {
    const char *report = NULL;
    int option;
    while ((option = getopt(argc, argv, "lwco:")) != -1) {
        switch (option) {
        case 'l': want_lines = 1; break;
        case 'w': want_words = 1; break;
        case 'c': want_bytes = 1; break;
        case 'o': report = optarg; break;
        default:
            fprintf(stderr, "usage: wc-c [-lwc] [-o REPORT] [FILE...]\n");
            return 2;
        }
    }
    if (!want_lines && !want_words && !want_bytes) want_lines = want_words = want_bytes = 1;

    FILE *out = stdout;
    if (report && !(out = fopen(report, "w"))) {
        complain(report);
        return 1;
    }
    int status = 0;
    struct counts total = {0};
    static char *standard_input[] = {"-"};
    char **names = argc > optind ? argv + optind : standard_input;
    int files = argc > optind ? argc - optind : 1;
    for (int i = 0; i < files; i++) {
        int standard = strcmp(names[i], "-") == 0;
        FILE *in = standard ? stdin : fopen(names[i], "rb");
        struct counts counts = {0};
        if (!in || count(in, &counts) != 0) {
            complain(names[i]);
            status = 1;
        } else {
            print(out, &counts, argc > optind ? names[i] : NULL);
            total.lines += counts.lines;
            total.words += counts.words;
            total.bytes += counts.bytes;
        }
        if (in && !standard) fclose(in);
    }
    if (files > 1) print(out, &total, "total");
    if (fflush(out) != 0 || (report && fclose(out) != 0)) {
        complain(report ? report : "standard output");
        return 1;
    }
    return status;
}
