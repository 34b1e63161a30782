import com.google.inject.Injector;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.apache.druid.cli.CliBroker;
import org.apache.druid.cli.CliCoordinator;
import org.apache.druid.cli.CliHistorical;
import org.apache.druid.cli.CliIndexer;
import org.apache.druid.cli.CliRouter;
import org.apache.druid.cli.ServerRunnable;
import org.apache.druid.guice.StartupInjectorBuilder;
import org.apache.zookeeper.server.ZooKeeperServerMain;

/** One role, with the settings of its folder. Loaded anew for each role, see Launcher. */
public final class Role {
  public static void run(String role, Path conf) throws Exception {
    final Path settings = conf.resolve("runtime.properties");
    if (role.equals("zookeeper")) {
      ZooKeeperServerMain.main(new String[] {settings.toString()});
      return;
    }
    final Properties properties = new Properties();
    try (Reader reader = Files.newBufferedReader(settings)) {
      properties.load(reader);
    }
    final ServerRunnable server = server(role);
    final Injector startup = new StartupInjectorBuilder().withProperties(properties).withExtensions().build();
    startup.injectMembers(server);
    server.run();
  }

  private static ServerRunnable server(String role) {
    return switch (role) {
      case "coordinator" -> new CliCoordinator();
      case "broker" -> new CliBroker();
      case "historical" -> new CliHistorical();
      case "indexer" -> new CliIndexer();
      case "router" -> new CliRouter();
      default -> throw new IllegalArgumentException(role);
    };
  }
}
