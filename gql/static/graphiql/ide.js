// Starts GraphiQL against the address that the page came from.

const EXAMPLE_QUERY = `# Put your token into the Headers tab below:
#   {"Authorization": "Bearer <access token or SDK key>"}
# Run: Ctrl-Enter. Complete: Ctrl-Space.

query Flags($environment: EnvironmentRef, $context: JSON!) {
  evaluateFlags(environment: $environment, context: $context) {
    revision
    evaluations {
      flagKey
      value
      variationIndex
      reason {
        kind
      }
    }
  }
}
`;

const EXAMPLE_VARIABLES = {
  environment: { project: "default", environment: "production" },
  context: { kind: "user", key: "ada", email: "ada@example.edu" },
};

// GraphiQL would lay variables given here over those it has kept from the last visit.
const firstVisit = localStorage.getItem("graphiql:tabState") === null;

function Ide() {
  return React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: window.location.pathname }),
    plugins: [explorer],
    defaultQuery: EXAMPLE_QUERY,
    variables: firstVisit ? JSON.stringify(EXAMPLE_VARIABLES, null, 2) : undefined,
    defaultEditorToolsVisibility: "headers",
    inputValueDeprecation: true,
    isHeadersEditorEnabled: true,
    // A token stays in memory unless the user turns this on in the settings.
    shouldPersistHeaders: false,
  });
}

// Made once: a new plugin each time React renders would close its panel.
const explorer = GraphiQLPluginExplorer.explorerPlugin();
ReactDOM.createRoot(document.getElementById("graphiql")).render(React.createElement(Ide));
