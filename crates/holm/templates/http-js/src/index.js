// Answers HTTP requests.

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    switch (`${request.method} ${url.pathname}`) {
      case "GET /":
        return new Response("Hello from my-app!\n");
      case "GET /hello":
        return Response.json({ hello: url.searchParams.get("name") ?? "you" });
      default:
        console.log(`nothing at ${url.pathname}`);
        return new Response("There is nothing here.\n", { status: 404 });
    }
  },
};
