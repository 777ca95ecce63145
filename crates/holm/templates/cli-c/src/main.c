// Counts the words of its input, or of the files that it is given.
#include <ctype.h>
#include <stdio.h>

static long words(FILE *in) {
  long count = 0;
  int inside = 0;
  for (int c; (c = getc(in)) != EOF;) {
    if (isspace(c)) {
      inside = 0;
    } else if (!inside) {
      inside = 1;
      count++;
    }
  }
  return count;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    printf("%ld\n", words(stdin));
    return 0;
  }
  for (int i = 1; i < argc; i++) {
    FILE *in = fopen(argv[i], "r");
    if (!in) {
      perror(argv[i]);
      return 1;
    }
    printf("%ld %s\n", words(in), argv[i]);
    fclose(in);
  }
  return 0;
}
