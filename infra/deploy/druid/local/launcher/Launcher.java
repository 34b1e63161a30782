import java.io.File;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs several roles of Druid in one JVM: CLASSPATH_FILE CONF_DIR OWNER_PID ROLE... Settings of a role are in CONF_DIR/ROLE.
 *
 * Each role has a class loader of its own. Druid keeps its Guice filter and its pipeline in static fields: where two
 * roles share them, every health check is green and every other path answers 404.
 */
public final class Launcher {
  public static void main(String[] args) throws Exception {
    final Path conf = Path.of(args[1]);
    endWith(Long.parseLong(args[2]));
    for (int i = 3; i < args.length; i++) start(args[i], Path.of(args[0]), conf.resolve(args[i]));
    Thread.currentThread().join();
  }

  /** No Druid of a test outlives the test, however that ends. 0: nobody owns this one. */
  private static void endWith(long owner) {
    if (owner == 0) return;
    final ProcessHandle process = ProcessHandle.of(owner).orElseThrow(() -> new IllegalStateException("owner is gone"));
    process.onExit().thenRun(() -> Runtime.getRuntime().halt(0));
  }

  private static URL[] classPath(Path file, Path conf) throws Exception {
    final List<URL> urls = new ArrayList<>();
    urls.add(Launcher.class.getProtectionDomain().getCodeSource().getLocation());
    // Its log4j2.xml.
    urls.add(conf.toUri().toURL());
    for (String jar : Files.readString(file).trim().split(File.pathSeparator)) urls.add(Path.of(jar).toUri().toURL());
    return urls.toArray(new URL[0]);
  }

  private static void start(String role, Path classPath, Path conf) throws Exception {
    final ClassLoader parent = ClassLoader.getPlatformClassLoader();
    final ClassLoader loader = new URLClassLoader(role, classPath(classPath, conf), parent);
    final Thread thread = new Thread(() -> {
      try {
        loader.loadClass("Role").getMethod("run", String.class, Path.class).invoke(null, role, conf);
      } catch (Throwable e) {
        // One role without the others is of no use to anybody.
        e.printStackTrace();
        System.exit(1);
      }
    }, role);
    thread.setContextClassLoader(loader);
    thread.start();
  }
}
